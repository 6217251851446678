"""What stands in for Keras' train function while gradients are looked at."""

import contextlib
import dataclasses
import itertools
import weakref
from typing import Any

import keras

from rnn_tutorial import backend
from rnn_tutorial.inspection import keras_internals
from rnn_tutorial.inspection.gradients.optimizers import Wrapped
from rnn_tutorial.inspection.gradients.recorder import Recorder, forgiven


class TrainFunction:
    """Stands in for Keras' train function where a step is to be looked at.

    It is kept on the one that it stands in for, with the train functions that were traced with recorders in them: a
    later fit need not trace again, which would take as long as many epochs.
    """

    def __init__(self, model, own):
        self._model: Any = weakref.ref(model)
        self._own = own
        self._traced: dict[tuple[Recorder, ...], _Traced] = {}  # by who looks
        self._recorders: list[Recorder] = []
        self._always: list[Recorder] = []  # who looks at every step
        self._wrapped: Any = None  # for them
        self._next: list[Recorder] = []  # who looks at the next step only

    @classmethod
    def of(cls, model):
        """The one for a model's present train function."""
        keras_internals.ensure_train_function(model)
        own = keras_internals.train_function(model)
        if isinstance(getattr(own, "__self__", None), cls):
            return own.__self__
        if not isinstance(getattr(own, "rnn_tutorial_stand_in", None), cls):
            with contextlib.suppress(AttributeError):  # of what the user has put there
                own.rnn_tutorial_stand_in = cls(model, own)
        return getattr(own, "rnn_tutorial_stand_in", None) or cls(model, own)

    def is_that_of(self, model):
        """Whether it stands in for the model's present train function, or could."""
        present = keras_internals.train_function(model)
        return present == self._own or getattr(present, "__self__", None) is self

    def recorder(self, choose, per_batch):
        """A recorder that nobody uses, one that has been traced before if possible."""
        model = self._model()
        for recorder in self._recorders:
            if recorder.is_free and recorder.suits(choose, per_batch):
                recorder.reset()
                break
        else:
            recorder = Recorder(model, choose, per_batch)
            self._recorders.append(recorder)
        if model.built:
            recorder.build()
        recorder.is_free = False
        return recorder

    def add(self, recorder):
        """Have a recorder look at every step, those of loops that call the optimizer themselves too."""
        self._always.append(recorder)
        self._wrap_always()
        self._stand_in()

    def look_once(self, recorder):
        """Have a recorder look at the next step."""
        self._next.append(recorder)
        self._stand_in()

    def remove(self, recorder):
        """Have a recorder look no more."""
        self._next = [other for other in self._next if other is not recorder]
        if recorder in self._always:
            self._always.remove(recorder)
            self._wrap_always()
        self._stand_in()

    def _run(self, *arguments):
        """As Keras' own: the same arguments, the same results. Where something of ours fails, Keras' own does it."""
        looking, self._next = self._next, []
        looking = [recorder for recorder in looking if not recorder.problem]
        recorders = [recorder for recorder in self._always if not recorder.problem] + looking
        wrapped = self._wrapped
        try:
            if wrapped is not None:
                wrapped.is_training = True
            step = None
            with forgiven(recorders):
                step = self._looked_at(recorders, looking, arguments) if recorders else None
            return self._own(*arguments) if step is None else step()
        finally:
            if wrapped is not None:
                wrapped.is_training = False
            self._stand_in()

    def _looked_at(self, recorders, looking, arguments):
        """Prepare a step; returns a function that does it."""
        model = self._model()
        key = tuple(recorders)
        if key not in self._traced:
            self._traced[key] = _Traced(self._untraced(model), Wrapped(model, looking, shown=False))
        traced = self._traced[key]
        arguments = self._with_room(arguments, looking, keras_internals.steps_per_execution(model))
        if not backend.is_stateless() or not looking:
            own = None if model.run_eagerly else self._own
            return lambda: traced.run(recorders, own, *arguments)
        return lambda: traced.run_carrying(looking, self._own, *arguments)

    def _with_room(self, arguments, looking, steps):
        """Empty the buffers that the next steps would fill; in a stateless state some of them are arguments."""
        if not backend.is_stateless():
            looking = [*self._always, *looking]
        for recorder in looking:
            recorder.make_room(steps)
        if not backend.is_stateless() or not self._always:
            return arguments

        def exchange(values):
            for recorder in self._always:
                recorder.give_back([next(values) for _ in recorder.variables])
                recorder.make_room(steps)
                yield from recorder.lend()

        variables = [variable for recorder in self._always for variable in recorder.variables]
        return backend.exchange(arguments, self._wrapped.places(variables), exchange)

    def _untraced(self, model):
        """A train function of Keras' own making that has not been traced."""
        step, methods = model.train_step, backend.untraced_methods(model)

        def train_step(*arguments):
            before = [(model, name, model.__dict__.get(name)) for name in methods]
            model.__dict__.update(methods)
            try:
                return methods.get("train_step", step)(*arguments)
            finally:
                keras_internals.put_back(before)

        # JAX finds what it has traced before by the function: with the model's own, that of an earlier `compile`.
        return keras_internals.make_new_train_function(model, backend.recomputing(train_step))

    def _wrap_always(self):
        if self._wrapped is not None:
            self._wrapped.__exit__()
        self._wrapped = None
        if self._always:
            self._wrapped = Wrapped(self._model(), self._always, shown=True).__enter__()

    def _stand_in(self):
        """Be the model's train function if somebody looks, and else put Keras' own back."""
        model = self._model()
        if self.is_that_of(model):  # and not one of a later `compile`
            looked_at = self._always or self._next
            keras_internals.set_train_function(model, self._run if looked_at else self._own)


@dataclasses.dataclass
class _Traced:
    """A train function of Keras' making for those who look.

    Attributes:
        function: It, traced with `wrapped` or not yet traced.
        wrapped: The `Wrapped` optimizers.
        has_run: Whether it has done a step.
    """

    function: Any
    wrapped: Any
    has_run: bool = False

    def run(self, recorders, own, *arguments):
        """Do a step. Where tracing it fails, before anything is done, Keras' `own` function does it, unless None."""
        is_done = False
        try:
            with self.wrapped:
                result = self.function(*arguments)
                is_done = True
        except Exception as error:
            if not is_done and (self.has_run or own is None or not backend.is_of_tracing(error)):
                raise
            for recorder in recorders:
                recorder.problem = recorder.problem or f"{type(error).__name__}: {error}"
            return result if is_done else own(*arguments)
        self.has_run = True
        return result

    def run_carrying(self, recorders, own, state, iterator):
        """Do a step of a stateless function, with what the recorders hold carried through it.

        In the first one the function is traced. A `train_step` that will not have more variables than it knows of is
        then done by Keras' own function.
        """
        taken: list[Any] = []
        batches = iterator if self.has_run else map(_remember_in(taken), iterator)
        lent = [recorder.lend() for recorder in recorders]
        try:
            with self.wrapped:
                result, lent = backend.carry(self.function, (state, batches), lent)
        except Exception as error:
            if self.has_run or isinstance(error, StopIteration) or backend.is_taken_over(keras.tree.flatten(state)):
                raise
            for recorder in recorders:
                recorder.problem = recorder.problem or f"{type(error).__name__}: {error}"
            return own(state, itertools.chain(taken, iterator))
        finally:  # Also where the data had come to their end. What an exception left nothing of is begun again.
            for recorder, values in zip(recorders, lent, strict=True):
                recorder.give_back(values)
        self.has_run = True
        return result


def _remember_in(taken):
    def remember(batch):
        taken.append(batch)
        return batch

    return remember
