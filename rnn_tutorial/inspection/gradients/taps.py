"""The true gradients of the training step, taken from the optimizer while Keras' own train function runs.

Keras hands gradients to no callback. But every train step ends in `optimizer.apply(gradients, variables)`. A tap puts a
function around `apply` while a train function of its own is traced, so that the norms are computed inside the compiled
step, from the gradients that training uses: no second pass over the data, no other dropout, no other batch.

In a `fit` the model and its optimizer carry the tap only while a step runs. Whatever callbacks save between two steps,
and whatever remains after training or after an exception, is as if there were no tap.
"""

import collections.abc
import contextlib
import dataclasses
import itertools
import math
import weakref
from typing import Any

import keras
import numpy as np
from keras import ops

from rnn_tutorial import _checks, backend
from rnn_tutorial.inspection import naming

GLOBAL = "global"
# Rows of the table that is filled inside the step. Each weight has a column, and the last column is for all of them
# together. Rows add up over the batches, except the first, which keeps the largest.
ROWS = _MAX, _FINITE, _RATIOS, _SUM, _RATIO, _BATCHES, _CLIPPABLE, _CLIPPED, _CLIPPED_BATCHES = range(9)
# Norms of single batches that the buffer holds; in `fit` it is emptied in time, elsewhere `read` and `drain` do that.
CAPACITY = 1024
# Containers with more things in them hold no optimizers, and would take long to search.
_LARGEST_CONTAINER = 1000
# Below this the square of a float32 may have lost its digits.
_TINY = 1e-24


@dataclasses.dataclass(frozen=True)
class GradientReading:
    """What a tap has seen since it was last read.

    Dictionaries go by the stable name of the weight, `<layer>/<weight>`, and hold `"global"` too, the norm over all
    weights of an update together. Weights that no update has changed since the last reading are not there. Norms are
    L2 norms, before clipping unless said otherwise, of unscaled gradients; with gradient accumulation they are those
    of the accumulated mean, at update steps only. A model whose `train_step` calls several optimizers makes several
    updates per batch, and each counts; a `MultiOptimizer` makes one.

    Attributes:
        batches: Updates seen, with those that a `LossScaleOptimizer` left out.
        norm: Mean over the batches whose gradient was finite, NaN where none was.
        norm_max: The largest of them.
        norm_clipped: Mean after clipping, over the batches where all gradients were finite; empty where no clipping is
            set. NaN where clipping itself overflowed.
        clipped_batches: How many of these batches were clipped; None where no clipping is set.
        update_ratio: Mean of ‖w_after - w_before‖ / ‖w_before‖ over the batches where w was not all zero.
        nonfinite: How many batches had a gradient with NaN or infinity.
        last: The last gradient, float32, an array of the weight's shape; without `"global"`.
        batch_norms: The norm of each batch (batches,), where the tap was asked for it; empty otherwise. NaN where a
            `LossScaleOptimizer` left the batch out.
    """

    batches: int
    norm: dict[str, float]
    norm_max: dict[str, float]
    norm_clipped: dict[str, float]
    clipped_batches: int | None
    update_ratio: dict[str, float]
    nonfinite: dict[str, int]
    last: dict[str, np.ndarray]
    batch_norms: dict[str, np.ndarray]


class Tap:
    """Takes the gradients of a model's training steps, from `open` to `close`, or inside `with`; see `tap`.

    Args:
        model: As for `tap`, but need not be built yet.
        layers: As for `tap`. Of a model that is not built `read` tells which layers are not there.
        per_batch: As for `tap`.
        callbacks: The `CallbackList` of a `fit` that has begun, to look at the steps of that one alone. Between two
            steps nothing of the tap is then in the model.
    """

    def __init__(self, model, layers=None, per_batch=False, callbacks=None):
        _check(model, layers, per_batch)
        self._reference = weakref.ref(model)
        self._layers = layers
        self._per_batch = per_batch
        self._callbacks = None if callbacks is None else weakref.ref(callbacks)
        self._model: Any = None  # as long as it is open
        self._function: Any = None
        self._recorder: Any = None
        self._tally = _Tally()  # what recorders of earlier train functions have seen since the last reading
        self._sees_updates = False
        self._error: Any = None  # why there is nothing to read; `read` raises it
        self._close = contextlib.ExitStack()

    def open(self):
        """Begin to look. Training runs through a train function that is traced with the tap in it."""
        if self._model is not None:
            return self
        model = self._reference()
        if model is None:
            raise ValueError("the model of this tap is gone")
        backend.check_one_replica(model)
        self._model, self._tally, self._error = model, _Tally(), None
        try:
            self._follow()
            self._close.callback(self._leave)
            if self._callbacks is None:
                self._close.callback(_tell_of_new_train_functions(model, self._follow_in_training))
            else:
                self._close.callback(self._watch(self._callbacks()))
        except BaseException:
            self.close()
            raise
        return self

    def close(self):
        """Stop looking; the model and its optimizer are as they were. What was seen can still be read."""
        if self._model is None:
            return
        try:
            self._close.close()
        except Exception as error:
            self._error = error
        self._model = self._function = self._recorder = None

    __enter__ = open

    def __exit__(self, *exception):
        self.close()

    def drain(self):
        """Take the norms of single batches out of the buffer; loops of one's own must, every `CAPACITY` batches."""
        if self._model is not None:
            self._recorder.drain()

    def read(self, last=True):
        """Return what was seen since the last call, as a `GradientReading`, and begin again.

        Args:
            last: False leaves out the last gradients, which saves copying them.

        Raises:
            ValueError: A layer is not there, which could not be said before the model was built.
            RuntimeError: More batches than the buffer of single norms holds; or the gradients could not be looked at.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error
        if self._model is not None:
            if self._model.built:
                _predicate(self._layers, self._model)
            self._take(last)
        tally, self._tally = self._tally, _Tally()
        return tally.reading()

    @property
    def sees_updates(self) -> bool:
        """Whether any optimizer of the model has been seen to update weights, in this reading or an earlier one."""
        return self._sees_updates or (self._recorder is not None and self._recorder.sees_updates)

    def _take(self, last):
        """Add up what the recorder has seen."""
        self._sees_updates = self.sees_updates
        self._tally.add(self._recorder.take(last))

    def _follow(self):
        """Look at the train function that the model has now: a callback or `compile` may have made another one."""
        if self._function is not None and self._function.is_that_of(self._model):
            return
        if self._function is not None:
            self._leave()
        self._function = _TrainFunction.of(self._model)
        choose = _predicate(self._layers, self._model if self._model.built else None)
        self._recorder = self._function.recorder(choose, self._per_batch)
        if self._callbacks is None:
            self._function.add(self._recorder)

    def _follow_in_training(self):
        """Follow, where an error must not end what is running; returns whether there was none."""
        # Without a train function Keras is about to say so.
        if self._model is None or self._error is not None or self._model.train_function is None:
            return False
        try:
            self._follow()
        except Exception as error:
            self._error = error
        return self._error is None

    def _leave(self):
        """Look at this train function no more."""
        self._function.remove(self._recorder)
        try:
            self._take(last=True)
        finally:
            self._recorder.is_free = True  # for the next tap

    def _watch(self, callbacks):
        """Have each step looked at once all callbacks have been told of its beginning; returns how to stop that."""
        # By a weak reference: an exception ends a fit without a word, but for the death of its list of callbacks.
        own, reference = callbacks.__dict__.get("on_train_batch_begin"), weakref.ref(callbacks)

        def on_train_batch_begin(batch, logs=None):
            if own is None:
                alive: Any = reference()
                type(alive).on_train_batch_begin(alive, batch, logs)
            else:
                own(batch, logs)
            if self._follow_in_training():
                try:
                    self._function.look_once(self._recorder)
                except Exception as error:
                    self._error = error

        def unwatch():
            if reference() is not None:
                _put_back([(reference(), "on_train_batch_begin", own)])

        callbacks.on_train_batch_begin = on_train_batch_begin
        return unwatch


def tap_gradients(model, layers=None, per_batch=False):
    """Look at the gradients of whatever trains the model inside `with`.

    `fit`, `train_on_batch` and loops of one's own that end in `model.optimizer.apply` are all seen, in the last case
    if they are traced inside of `with`. On JAX a loop of one's own must take `model.optimizer.variables` inside of
    `with` too, for what the tap has seen is handed through `stateless_apply` among them, and assign what comes out
    before `read` is called.

    Example:
    >>> with inspection.tap_gradients(model) as gradients:
    ...     for x, y in batches:
    ...         model.train_on_batch(x, y)
    ...     print(gradients.read().norm["global"])

    Args:
        model: A compiled `keras.Model`.
        layers: Which layers' last gradients to keep: a stable name (see `naming.layers`), a list of them, or a function
            from such a name to True or False. None keeps all. Norms are computed of all.
        per_batch: True keeps the norm of each batch.

    Returns:
        A `Tap`, a context manager; `read` gives a `GradientReading`.

    Raises:
        ValueError: The model is not compiled or not built, a layer is not there, or an argument is not as above.
        NotImplementedError: The model trains on several replicas.
    """
    _check(model, layers, per_batch)
    if not model.built:
        raise ValueError("model must be built; call it on a batch first, or give it an Input")
    return Tap(model, layers, per_batch)


class _TrainFunction:
    """Stands in for Keras' train function where a step is to be looked at.

    It is kept on the one that it stands in for, with the functions that were traced with taps in them: a later fit need
    not trace again, which would take as long as many epochs.
    """

    def __init__(self, model, own):
        self._model: Any = weakref.ref(model)
        self._own = own
        self._traced: dict[tuple[_Recorder, ...], _Traced] = {}  # by who looks
        self._recorders: list[_Recorder] = []
        self._always: list[_Recorder] = []  # who looks at every step
        self._installed: Any = None  # for them
        self._next: list[_Recorder] = []  # who looks at the next step only

    @classmethod
    def of(cls, model):
        """The one for a model's present train function."""
        _make_train_function(model)()  # Does nothing where there is one.
        own = model.train_function
        if isinstance(getattr(own, "__self__", None), cls):
            return own.__self__
        if not isinstance(getattr(own, "_tapped", None), cls):
            with contextlib.suppress(AttributeError):  # of what the user has put there
                own._tapped = cls(model, own)
        return getattr(own, "_tapped", None) or cls(model, own)

    def is_that_of(self, model):
        """Whether it stands in for the model's present train function, or could."""
        present = model.train_function
        return present == self._own or getattr(present, "__self__", None) is self

    def recorder(self, choose, per_batch):
        """A recorder that nobody uses, one that has been traced before if possible."""
        model = self._model()
        for recorder in self._recorders:
            if recorder.is_free and recorder.suits(choose, per_batch):
                recorder.reset()
                break
        else:
            recorder = _Recorder(model, choose, per_batch)
            self._recorders.append(recorder)
        if model.built:
            recorder.build()
        recorder.is_free = False
        return recorder

    def add(self, recorder):
        """Have a recorder look at every step, those of loops that call the optimizer themselves too."""
        self._always.append(recorder)
        self._install_always()
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
            self._install_always()
        self._stand_in()

    def _run(self, *arguments):
        """As Keras' own: the same arguments, the same results. Where something of ours fails, Keras' own does it."""
        looking, self._next = self._next, []
        looking = [recorder for recorder in looking if not recorder.problem]
        recorders = [recorder for recorder in self._always if not recorder.problem] + looking
        installed = self._installed
        try:
            if installed is not None:
                installed.is_training = True
            step = None
            with _forgiven(recorders):
                step = self._looked_at(recorders, looking, arguments) if recorders else None
            return self._own(*arguments) if step is None else step()
        finally:
            if installed is not None:
                installed.is_training = False
            self._stand_in()

    def _looked_at(self, recorders, looking, arguments):
        """Prepare a step; returns a function that does it."""
        model = self._model()
        key = tuple(recorders)
        if key not in self._traced:
            self._traced[key] = _Traced(self._untraced(model), _Installed(model, looking, shown=False))
        traced = self._traced[key]
        arguments = self._with_room(arguments, looking, model.steps_per_execution)
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
        return backend.exchange(arguments, self._installed.places(variables), exchange)

    def _untraced(self, model):
        """A train function of Keras' own making that has not been traced."""
        present, step, own = model.train_function, model.train_step, model.__dict__.get("train_step")
        methods = backend.untraced_methods(model)

        def train_step(*arguments):
            before = [(model, name, model.__dict__.get(name)) for name in methods]
            model.__dict__.update(methods)
            try:
                return methods.get("train_step", step)(*arguments)
            finally:
                _put_back(before)

        try:
            # JAX finds what it has traced before by the function: with the model's own, that of an earlier `compile`.
            model.__dict__["train_step"] = backend.recomputing(train_step)
            _make_train_function(model)(force=True)
            return model.train_function
        finally:
            _put_back([(model, "train_step", own)])
            model.__dict__["train_function"] = present

    def _install_always(self):
        if self._installed is not None:
            self._installed.__exit__()
        self._installed = None
        if self._always:
            self._installed = _Installed(self._model(), self._always, shown=True).__enter__()

    def _stand_in(self):
        """Be the model's train function if somebody looks, and else put Keras' own back."""
        model = self._model()
        if self.is_that_of(model):  # and not one of a later `compile`
            model.__dict__["train_function"] = self._run if self._always or self._next else self._own


@dataclasses.dataclass
class _Traced:
    """A train function of Keras' making for those who look.

    Attributes:
        function: It, traced with `installed` or not yet traced.
        installed: An `_Installed`.
        has_run: Whether it has done a step.
    """

    function: Any
    installed: Any
    has_run: bool = False

    def run(self, recorders, own, *arguments):
        """Do a step. Where tracing it fails, before anything is done, Keras' `own` function does it, unless None."""
        is_done = False
        try:
            with self.installed:
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
            with self.installed:
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


# model -> functions to be called when it has made a train function
_told: Any = weakref.WeakKeyDictionary()


def _tell_of_new_train_functions(model, tell):
    """Call a function whenever a model was asked for its train function, which is where every training begins.

    Returns:
        A function that ends that.
    """
    told = _told.setdefault(model, [])
    if not told:
        own = model.__dict__.get("make_train_function")
        make = model.make_train_function

        def make_train_function(*arguments, **named):
            result = make(*arguments, **named)
            for each in list(told):
                each()
            return result

        vars(make_train_function).update(own=own, make=make)
        model.__dict__["make_train_function"] = make_train_function
    told.append(tell)

    def end():
        told.remove(tell)
        if not told:
            _put_back([(model, "make_train_function", model.__dict__["make_train_function"].own)])

    return end


def _make_train_function(model):
    """The model's method, without telling anybody."""
    make = model.make_train_function
    return make.make if hasattr(make, "make") else make


def _optimizers(model):
    """All optimizers that a model, or a layer of it, has as an attribute, and those that these hold."""
    found: dict[int, Any] = {}
    for layer in model._flatten_layers():
        for value in list(vars(layer).values()):
            _find_optimizers(value, found)
    return list(found.values())


def _find_optimizers(value, found, depth=4):
    """Put the optimizers in a value, and in containers in it, into {id: optimizer}."""
    if isinstance(value, keras.optimizers.Optimizer):
        if id(value) not in found:
            found[id(value)] = value
            for held in list(vars(value).values()):
                _find_optimizers(held, found)
    elif depth and isinstance(value, (list, tuple, collections.abc.Mapping)) and len(value) <= _LARGEST_CONTAINER:
        for held in list(value.values() if isinstance(value, collections.abc.Mapping) else value):
            _find_optimizers(held, found, depth - 1)


class _Installed:
    """Functions of ours around the methods of a model's optimizers, for as long as it is entered.

    Args:
        model: A compiled `keras.Model`.
        recorders: Who looks; may be empty.
        shown: Whether the optimizer shows the recorders' variables among its own for as long. Only a backend whose
            optimizers are stateless needs that; and in its train function they are shown while it is traced.
    """

    def __init__(self, model, recorders, shown):
        self._recorders = recorders
        self._shown = shown
        self._optimizers = _optimizers(model)
        self._root = model.optimizer
        # A model inside of this one may be trained by itself; that is another training.
        self._of_others = {
            id(layer.optimizer)
            for layer in model._flatten_layers()
            if isinstance(layer, keras.Model) and getattr(layer, "optimizer", None) not in (None, model.optimizer)
        }
        self.is_training = False  # this model, by its train function
        # The optimizer whose `stateless_apply` calls `apply`: a `LossScaleOptimizer` calls that of the one inside.
        self._carrier = _unscaled_optimizer(self._root)
        stateless = backend.is_stateless()
        self._variables = [variable for recorder in recorders for variable in recorder.variables] if stateless else []
        self._wrapped: list[tuple[Any, str, Any]] = []  # (optimizer, method, its own attribute of that name)
        self._update: Any = None  # the `_Update` that is going on
        self._calls = 0  # of any optimizer's `apply`
        self._shows = contextlib.ExitStack()
        self._is_hidden = False

    def __enter__(self):
        if self._recorders:
            with _forgiven(self._recorders):
                for optimizer in self._optimizers:
                    self._wrap(optimizer)
                if self._variables:
                    self._put(self._root, "stateless_apply", self._around_stateless_apply)
                    if self._shown:
                        self._shows.enter_context(backend.tracked(self._carrier, self._variables))
        return self

    def __exit__(self, *exception):
        self._shows.close()
        _put_back(reversed(self._wrapped))
        self._wrapped.clear()

    def places(self, variables):
        """The places of variables of ours among all of the optimizer's, while they are shown."""
        found = {id(variable): place for place, variable in enumerate(self._root.variables)}
        if not all(id(variable) in found for variable in variables):
            raise RuntimeError(f"{self._root.name} does not list the variables of the optimizer that it holds")
        return [found[id(variable)] for variable in variables]

    def _wrap(self, optimizer):
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            self._put(optimizer, "apply", self._around_scaled_apply)
        else:
            self._put(optimizer, "apply", self._around_apply)
        self._put(optimizer, "build", self._around_build)
        if self._shown and self._variables:
            # What a checkpoint holds is not ours to change.
            self._put(optimizer, "save_own_variables", self._hiding)
            self._put(optimizer, "load_own_variables", self._hiding)

    def _put(self, optimizer, name, around):
        self._wrapped.append((optimizer, name, optimizer.__dict__.get(name)))
        optimizer.__dict__[name] = around(optimizer, getattr(optimizer, name))

    def _around_apply(self, optimizer, apply):
        """A look at what goes in, and at what it does to the weights."""

        def observed(grads, trainable_variables=None, **named):
            if self._shown and id(optimizer) in self._of_others and not self.is_training:
                return apply(grads, trainable_variables, **named)
            grads = list(grads)
            if trainable_variables is not None:
                trainable_variables = list(trainable_variables)
            with self._looking_at(optimizer, grads, trainable_variables):
                return apply(grads, trainable_variables, **named)

        return observed

    def _around_scaled_apply(self, optimizer, apply):
        """Count the batches that are left out because their scaled gradients are not finite."""

        def observed(grads, trainable_variables=None, **named):
            grads = list(grads)
            if trainable_variables is not None:
                trainable_variables = list(trainable_variables)
            with _forgiven(self._recorders):
                _count_left_out(self._recorders, grads, trainable_variables or optimizer._trainable_variables)
            return apply(grads, trainable_variables, **named)

        return observed

    def _around_stateless_apply(self, root, stateless_apply):
        """`apply` inside of it finds the recorders' variables among those of the optimizer.

        A train function brings their values behind those of the optimizer.
        """
        if self._shown:
            return self._counting_left_out(root, stateless_apply)

        def observed(optimizer_variables, grads, trainable_variables):
            with backend.tracked(self._carrier, self._variables):
                places = self.places(self._variables)
                values = backend.behind_to_places(list(optimizer_variables), places)
                counting = self._counting_left_out(root, stateless_apply)
                trainable_variables, values = counting(values, grads, trainable_variables)
                return trainable_variables, backend.places_to_behind(list(values), places)

        return observed

    def _counting_left_out(self, root, stateless_apply):
        def observed(optimizer_variables, grads, trainable_variables):
            if root is not self._carrier and len(optimizer_variables) == len(root.variables):
                mapping = list(zip(root.variables, optimizer_variables, strict=True))
                with keras.StatelessScope(state_mapping=mapping) as scope, _forgiven(self._recorders):
                    _count_left_out(self._recorders, grads, root._trainable_variables)
                optimizer_variables = [scope.get_current_value(variable) for variable in root.variables]
            return stateless_apply(optimizer_variables, grads, trainable_variables)

        return observed

    def _around_build(self, optimizer, build):
        """A `MultiOptimizer` may learn only here which optimizers it holds."""
        hiding = self._hiding(optimizer, build)

        def observed(variables):
            result = hiding(variables)
            with _forgiven(self._recorders):
                found: dict[int, Any] = {}
                _find_optimizers(optimizer, found)
                for held in found.values():
                    if all(held is not other for other in self._optimizers):
                        self._optimizers.append(held)
                        self._wrap(held)
            return result

        return observed

    def _hiding(self, optimizer, method):
        """A method of an optimizer that finds none of our variables among its own."""

        def hidden(argument):
            if not self._shown or self._is_hidden:  # An optimizer that holds others calls theirs.
                return method(argument)
            self._is_hidden = True
            try:
                with backend.untracked(self._carrier, self._variables):
                    return method(argument)
            finally:
                self._is_hidden = False

        return hidden

    @contextlib.contextmanager
    def _looking_at(self, optimizer, grads, variables):
        """Look at what an optimizer's `apply` does. One that calls others does nothing itself: they do."""
        outer = self._update
        self._calls += 1
        calls, part = self._calls, None
        with _forgiven(self._recorders):
            place = backend.place()
            self._update = outer if outer is not None and outer.place == place else _Update(place)
            part = _before(self._recorders, optimizer, grads, variables)
        update = self._update
        try:
            with backend.letting_go(getattr(update, "place", None)):
                yield
        finally:
            self._update = outer
        with _forgiven(self._recorders):
            if part is not None and self._calls == calls:
                update.parts.append(part)
            if update is not outer:
                update.record(self._recorders)


def _put_back(attributes):
    """Give objects their own attributes again: (object, name, value), None for one that it did not have."""
    for thing, name, value in attributes:
        if value is None:
            thing.__dict__.pop(name, None)
        else:
            thing.__dict__[name] = value


@contextlib.contextmanager
def _forgiven(recorders):
    """Training goes on whatever goes wrong in here; `read` tells of it."""
    try:
        yield
    except Exception as error:
        for recorder in recorders:
            recorder.problem = recorder.problem or f"{type(error).__name__}: {error}"


@dataclasses.dataclass
class _Part:
    """What one optimizer is about to do in an update; lists go by its variables.

    Attributes:
        optimizer: It.
        variables: The weights.
        gradients: As it gets them.
        before: The weights before the update.
        sums: What it has accumulated of gradients; None without accumulation.
        is_update: Whether this call changes the weights, a boolean tensor; None is yes.
    """

    optimizer: Any
    variables: list[Any]
    gradients: list[Any]
    before: list[Any]
    sums: list[Any] | None
    is_update: Any


class _Update:
    """One call of the outermost optimizer, and what those do that it holds.

    Attributes:
        place: Where it is traced.
        parts: A `_Part` for each optimizer that updates weights itself.
    """

    def __init__(self, place):
        self.place = place
        self.parts: list[_Part] = []

    def record(self, recorders):
        """Fill the recorders."""
        recorders = [recorder for recorder in recorders if not recorder.problem]
        if recorders and self.parts:
            _record(recorders, self.parts)


def _before(recorders, optimizer, grads, variables):
    """Note what an optimizer is about to change.

    Returns:
        A `_Part`; None where there is nothing to see.
    """
    recorders = [recorder for recorder in recorders if not recorder.problem]
    if not recorders:
        return None
    for recorder in recorders:
        recorder.build()
    all_variables = optimizer._trainable_variables if variables is None else variables
    if len(grads) != len(all_variables):  # Keras will tell.
        return None
    pairs = [
        (gradient, variable)
        for gradient, variable in zip(grads, all_variables, strict=True)
        if gradient is not None
        and id(variable) in recorders[0].columns
        and not getattr(variable, "overwrite_with_gradient", False)
    ]
    ours = [variable for recorder in recorders for variable in recorder.variables]
    if not pairs or not backend.can_assign(ours, [gradient for gradient, _ in pairs]):
        return None
    pairs.sort(key=lambda pair: recorders[0].columns[id(pair[1])])
    gradients, variables = map(list, zip(*pairs, strict=True))
    before = [ops.copy(variable) for variable in variables]
    steps, sums, is_update = optimizer.gradient_accumulation_steps, None, None
    if steps:
        if not optimizer.built:  # As `apply` is about to do.
            with keras.name_scope(optimizer.name, caller=optimizer):
                optimizer.build(all_variables)
        sums = [optimizer._accumulated_gradients[optimizer._get_variable_index(variable)] for variable in variables]
        sums = [ops.copy(variable) for variable in sums]
        is_update = (ops.convert_to_tensor(optimizer._iterations) + 1) % steps == 0
    return _Part(optimizer, variables, gradients, before, sums, is_update)


def _record(recorders, parts):
    """Fill the recorders with what the parts of one update have done; called after it."""
    variables = [variable for part in parts for variable in part.variables]
    columns = [recorders[0].columns[id(variable)] for variable in variables]
    clips = any(_clips(part.optimizer) for part in parts)

    def look(arrays):
        *of_parts, after = arrays
        before = [weight for _, _, weights, _ in of_parts for weight in weights]
        unscaled = [_unscaled(part, given, sums) for part, (given, sums, _, _) in zip(parts, of_parts, strict=True)]
        gradients = [gradient for rows, dense in unscaled for gradient in dense(rows)]
        norms = _norms(gradients, before, after)
        clipped = _all_after_clipping(parts, norms[0], unscaled) if clips else None
        updated = _updated(parts, [is_update for *_, is_update in of_parts])
        if len({part.optimizer.gradient_accumulation_steps for part in parts}) > 1:  # Some weights may stay.
            norms = _with_total(ops.where(updated[:-1], norms[:, :-1], ops.zeros_like(norms[:, :-1])))
            if clipped is not None:
                clipped = ops.where(updated[:-1], clipped[:, :-1], ops.zeros_like(clipped[:, :-1]))
                clipped = ops.stack([_with_total(clipped[:1])[0], _with_largest(clipped[1])])
        seen = _seen(norms, clipped)
        for recorder in recorders:
            recorder.clipped.update(columns if clips else [])
            recorder.fill(columns, seen, norms[0], gradients, updated)

    after = [ops.copy(variable) for variable in variables]
    backend.apart(look, [*([part.gradients, part.sums, part.before, part.is_update] for part in parts), after])


def _updated(parts, is_update):
    """Whether each weight is updated, and whether any is, (weights + 1,); None where all are."""
    if all(flag is None for flag in is_update):
        return None
    flags = [
        ops.broadcast_to(ops.convert_to_tensor(True if flag is None else flag), (len(part.variables),))
        for part, flag in zip(parts, is_update, strict=True)
    ]
    return _with_largest(ops.concatenate(flags))


def _unscaled(part, gradients, sums):
    """The gradients of a part as clipping sees them, and a function from such ones to arrays of the weights' shapes.

    Clipping sees the rows of an embedding one by one; of what was accumulated it sees the whole.
    """
    rows = [backend.rows(gradient) for gradient in gradients]
    scale = part.optimizer.loss_scale_factor
    if scale is not None:
        rows = [array / scale for array in rows]

    def dense(rows):
        shapes = [variable.shape for variable in part.variables]
        return [backend.dense(*three) for three in zip(gradients, rows, shapes, strict=True)]

    if sums is None:
        return rows, dense
    steps = part.optimizer.gradient_accumulation_steps
    return [(array + so_far) / steps for array, so_far in zip(dense(rows), sums, strict=True)], list


def _count_left_out(recorders, grads, variables):
    """Count a batch whose scaled gradients are not all finite."""
    recorders = [recorder for recorder in recorders if not recorder.problem]
    if not recorders:
        return
    for recorder in recorders:
        recorder.build()
    pairs = [
        (gradient, variable)
        for gradient, variable in zip(grads, variables, strict=True)
        if gradient is not None and id(variable) in recorders[0].columns
    ]

    def look(gradients):
        nonfinite = [~ops.all(ops.isfinite(backend.rows(gradient))) for gradient in gradients]
        nonfinite = ops.cast(ops.stack(nonfinite), "float32")
        nonfinite = ops.concatenate([nonfinite, ops.max(nonfinite, keepdims=True)])
        seen = ops.one_hot(_BATCHES, len(ROWS))[:, None] * nonfinite[None]
        for recorder in recorders:
            columns = [recorder.columns[id(variable)] for _, variable in pairs]
            left_out = ops.broadcast_to(nonfinite[-1] > 0, nonfinite.shape)
            recorder.fill(columns, seen, ops.full_like(nonfinite, math.nan), None, left_out)

    backend.apart(look, [gradient for gradient, _ in pairs])


def _seen(norms, clipped):
    """What one update adds to the table, (rows, weights + 1).

    Args:
        norms: Of the gradients, of the weights before the update, and of what it added to them, (3, weights + 1).
        clipped: The first of these after clipping, and where it changed something, (2, weights + 1); None where no
            clipping is set.
    """
    ones = np.ones((1, norms.shape[1]), "float32")
    values = ops.concatenate([norms[:1], ops.divide_no_nan(norms[2:], norms[1:2])])
    finite = ops.isfinite(values) & (ops.concatenate([ones, norms[1:2]]) > 0)
    values = ops.where(finite, values, ops.zeros_like(values))
    finite = ops.cast(finite, "float32")
    rows = [values[:1], finite, values, ones]
    if clipped is None:
        rows.append(np.zeros((3, norms.shape[1]), "float32"))
    else:
        all_finite = finite[:1, -1:] * ones
        rows += [all_finite, ops.where(all_finite > 0, clipped, ops.zeros_like(clipped))]
    return ops.concatenate(rows)


class _Recorder:
    """The variables that the step fills."""

    def __init__(self, model, choose, per_batch):
        self.is_free = False
        self.variables: list[Any] = []
        self.columns: dict[int, int] = {}  # by the id of the weight
        self.clipped: set[int] = set()  # columns of weights in whose updates something clips
        self.problem: str | None = None  # why nothing was recorded
        self._model: Any = weakref.ref(model)
        self._choose = choose
        self._per_batch = per_batch
        self._names: list[str] = []  # of the columns
        self._kept: list[int] = []  # columns whose last gradient is kept
        self._with_gradient: set[int] = set()
        self._carried: list[Any] | None = None  # the variables' values, where the train function hands them through
        self._room = self._capacity = max(CAPACITY, model.steps_per_execution)
        self._drained: list[np.ndarray] = []

    @property
    def sees_updates(self):
        """Whether an optimizer has come by that updates weights."""
        return bool(self._with_gradient)

    def suits(self, choose, per_batch):
        """Whether this one would do for another tap."""
        if not self.variables or self.problem:
            return False
        weights = naming.weights(self._model())
        columns = {id(variable): column for column, variable in enumerate(weights.values())}
        return (self._per_batch, self._kept, self.columns) == (per_batch, self._to_keep(weights, choose), columns)

    def build(self):
        """Make the variables, as soon as the model's weights are known."""
        if self.variables:
            return
        weights = naming.weights(self._model())
        self._names = list(weights)
        self.columns = {id(variable): column for column, variable in enumerate(weights.values())}
        self._kept = self._to_keep(weights, self._choose)
        shapes = [(len(ROWS), len(weights) + 1)]
        if self._per_batch:
            shapes.append((1 + self._capacity, len(weights) + 1))  # The first row counts.
        shapes += [tuple(weights[self._names[column]].shape) for column in self._kept]
        with backend.outside_of_graphs():
            self.variables = [
                keras.Variable(np.zeros(shape, "float32"), dtype="float32", trainable=False, name="tap")
                for shape in shapes
            ]

    def _to_keep(self, weights, choose):
        """Columns of the weights whose last gradient is kept. What is not trained would take the room for nothing."""
        trainable = {id(variable) for variable in self._model().trainable_variables}
        return [
            column
            for column, (name, variable) in enumerate(weights.items())
            if id(variable) in trainable and choose(name)
        ]

    def fill(self, columns, seen, norms, gradients, updated):
        """Add what one update gives; called inside of the step.

        Args:
            columns: Of the weights in question.
            seen: What is added to the table, (rows, weights in question + 1).
            norms: Of the update, (weights in question + 1,).
            gradients: The new last gradients; None leaves the old ones.
            updated: For each weight in question whether it is updated, and for all whether any is, boolean (weights in
                question + 1,); None is yes.
        """
        self._with_gradient.update(columns)
        table, *others = self.variables
        if updated is not None:
            seen = ops.where(updated, seen, ops.zeros_like(seen))
            norms = ops.where(updated, norms, ops.full_like(norms, math.nan))
        seen = self._spread(columns, seen, 0.0)
        is_largest = np.arange(len(ROWS))[:, None] == _MAX
        table.assign(ops.where(is_largest, ops.maximum(table.value, seen), table.value + seen))
        if self._per_batch:
            buffer = others.pop(0)
            one = 1 if updated is None else ops.cast(updated[-1], "float32")
            # The first row counts. Beyond the last row the count alone goes on.
            count = ops.cast(buffer.value[0, 0] + one, "int32")
            is_next = (ops.arange(1 + self._capacity)[:, None] == count) & (one > 0)
            rows = ops.where(is_next, self._spread(columns, norms, math.nan), buffer.value)
            buffer.assign(ops.concatenate([buffer.value[:1] + one, rows[1:]]))
        for column, variable in zip(self._kept, others, strict=True):
            if gradients is not None and column in columns:
                place = columns.index(column)
                gradient = ops.cast(gradients[place], "float32")
                variable.assign(gradient if updated is None else ops.where(updated[place], gradient, variable.value))

    def _spread(self, columns, values, missing):
        """Values of some weights and a total -> of all weights, and the total; along the last axis."""
        size = len(self._names)
        if columns == list(range(size)):
            return values
        places = [columns.index(column) if column in columns else len(columns) + 1 for column in range(size)]
        values = ops.concatenate([values, ops.full_like(values[..., :1], missing)], axis=-1)
        return ops.take(values, np.array([*places, len(columns)]), axis=-1)

    def lend(self):
        """Hand out the values of the variables, to a train function that takes its state over."""
        values = self._carried or [ops.copy(variable.value) for variable in self.variables]
        self._carried = None
        return values

    def give_back(self, values):
        """Take the values that a train function has handed through. Those that it has kept are begun again."""
        self._carried = None if backend.is_taken_over(values) else list(values)

    def make_room(self, steps):
        """Empty the buffer if it could not hold so many batches more."""
        if self._per_batch and self._room < steps:
            self.drain()
        self._room -= steps

    def reset(self):
        """Begin again."""
        self._drained = []
        if self.variables:
            self._values()
            self._clear(0)
            if self._per_batch:
                self._clear(1)
        self._room = self._capacity

    def drain(self):
        """Empty the buffer of single norms.

        Raises:
            RuntimeError: It was full before.
        """
        if not self._per_batch or not self.variables:
            return
        buffer = _numpy(self._values()[1])
        count = int(buffer[0, 0])
        if count > self._capacity:
            self.reset()
            raise RuntimeError(
                f"{count} batches have come, but the buffer of single norms holds {self._capacity}: call read or drain "
                "more often"
            )
        self._drained.append(buffer[1 : count + 1])
        self._clear(1)
        self._room = self._capacity

    def take(self, last):
        """Return what was seen as a `_Tally`, and begin again.

        Args:
            last: Whether to take the last gradients too.

        Raises:
            RuntimeError: Something went wrong in looking, or the buffer was full.
        """
        if self.problem:
            raise RuntimeError(f"the gradients could not be looked at: {self.problem}")
        tally = _Tally()
        if not self.variables:
            return tally
        self.drain()
        values = self._values()
        table = _numpy(values[0]).astype("float64")
        columns = {self._names[column]: column for column in sorted(self._with_gradient)} | {GLOBAL: -1}
        tally.table = {name: table[:, column] for name, column in columns.items() if table[_BATCHES, column]}
        if last:
            arrays = dict(zip(self._kept, values[len(values) - len(self._kept) :], strict=True))
            tally.last = {name: _numpy(arrays[columns[name]]) for name in tally.table if columns[name] in arrays}
        if self._drained:
            norms = np.concatenate(self._drained)
            tally.batch_norms = {name: norms[:, columns[name]] for name in tally.table}
        tally.clipped = {name for name in tally.table if columns[name] in self.clipped}
        if self.clipped:
            tally.clipped.add(GLOBAL)
        self.reset()
        return tally

    def _values(self):
        if self._carried is not None:
            return self._carried
        backend.sync(self._model())
        return [variable.value for variable in self.variables]

    def _clear(self, place):
        zeros = np.zeros(self.variables[place].shape, "float32")
        if self._carried is not None:
            self._carried[place] = ops.convert_to_tensor(zeros)
        else:
            self.variables[place].assign(zeros)


@dataclasses.dataclass
class _Tally:
    """What recorders have seen, by the name of the weight, and "global".

    Attributes:
        table: The column of a recorder's table, (rows,), float64.
        last: The last gradient.
        batch_norms: The norm of each batch, (batches,).
        clipped: Names in whose updates something clips.
    """

    table: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    last: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    batch_norms: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    clipped: set[str] = dataclasses.field(default_factory=set)

    def add(self, other):
        """Take up what another one has seen later."""
        for name, column in other.table.items():
            mine = self.table.get(name, np.zeros(len(ROWS)))
            self.table[name] = np.where(np.arange(len(ROWS)) == _MAX, np.maximum(mine, column), mine + column)
        self.last |= other.last
        self.clipped |= other.clipped
        sizes = [max(map(len, norms.values()), default=0) for norms in (self.batch_norms, other.batch_norms)]
        self.batch_norms = {
            name: np.concatenate(
                [
                    norms.get(name, np.full(size, math.nan, "float32"))
                    for norms, size in zip((self.batch_norms, other.batch_norms), sizes, strict=True)
                ]
            )
            for name in {**self.batch_norms, **other.batch_norms}
        }

    def reading(self):
        """It as a `GradientReading`."""
        table = {name: column for name, column in self.table.items() if name != GLOBAL}
        table[GLOBAL] = self.table.get(GLOBAL, np.zeros(len(ROWS)))
        batches = int(table[GLOBAL][_BATCHES])

        def named(function, names=table):
            with np.errstate(divide="ignore", invalid="ignore"):
                return {name: float(function(column)) for name, column in table.items() if name in names}

        return GradientReading(
            batches=batches,
            norm=named(lambda column: column[_SUM] / column[_FINITE]),
            norm_max=named(lambda column: column[_MAX] if column[_FINITE] else math.nan),
            norm_clipped=named(lambda column: column[_CLIPPED] / column[_CLIPPABLE], self.clipped),
            clipped_batches=int(table[GLOBAL][_CLIPPED_BATCHES]) if self.clipped else None,
            update_ratio=named(lambda column: column[_RATIO] / column[_RATIOS]),
            nonfinite={name: int(column[_BATCHES] - column[_FINITE]) for name, column in table.items()},
            last=self.last,
            batch_norms=self.batch_norms,
        )


def _numpy(value):
    """A copy that nobody else holds."""
    return np.array(ops.convert_to_numpy(ops.copy(value)))


def _check(model, layers, per_batch):
    if not isinstance(model, keras.Model):
        raise ValueError(f"model must be a keras.Model, received {type(model).__name__}")
    if not _optimizers(model):
        raise ValueError("model must be compiled with an optimizer; call model.compile(...) first")
    _checks.flag("per_batch", per_batch)
    _predicate(layers, model if model.built else None)


def check_layers(layers, model=None):
    """Check the argument `layers`, as far as that can be done without a model.

    Raises:
        ValueError: It is neither None nor a name, a list of names or a function; or a layer is not in the model.
    """
    _predicate(layers, model)


def chooses(layers, name):
    """Whether the argument `layers` takes in a weight, given its name `<layer>/<weight>`."""
    return _predicate(layers, None)(name)


def _predicate(layers, model):
    """Function from the name of a weight to whether its layer is chosen."""
    if layers is None:
        return lambda name: True
    if callable(layers):
        return lambda name: bool(layers(name.rpartition("/")[0]))
    names = [layers] if isinstance(layers, str) else layers
    if not isinstance(names, (list, tuple, set)) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"layers must be None, the name of a layer, a list of names or a function from name to bool, "
            f"received {layers!r}"
        )
    if model is not None:
        there = set(naming.layers(model))
        for name in naming.weights(model):
            there.update(itertools.accumulate(name.split("/")[:-1], "{}/{}".format))
        unknown = [name for name in names if name not in there]
        if unknown:
            raise ValueError(
                f"layers must name layers of the model, {', '.join(sorted(there))}; received {unknown[0]!r}"
            )
    return lambda name: any(name.startswith(f"{chosen}/") for chosen in names)


def _unscaled_optimizer(optimizer):
    """The optimizer that a `LossScaleOptimizer`, or one inside another, hands unscaled gradients to."""
    while isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return optimizer


def _squares(*lists):
    """Sum of squares of each array of some lists, and of all in a list, (lists, arrays + 1), float32."""
    squares = backend.square_sums([ops.cast(array, "float32") for arrays in lists for array in arrays])
    squares = ops.reshape(squares, (len(lists), -1))
    return ops.concatenate([squares, ops.sum(squares, axis=1, keepdims=True)], axis=1)


def _norms(gradients, before, after):
    """L2 norms of the gradients, of the weights, and of how far these went; of all together too, (3, weights + 1).

    Squares of float32 leave its range long before the numbers do. Where one did, norms are taken anew of numbers
    divided by the largest.
    """
    squares = _squares(gradients, before, _differences(after, before))
    floor = np.array([[_TINY], [-1], [-1]], "float32")
    in_range = ops.all((squares > floor) & (squares < math.inf))

    def carefully(arrays):
        gradients, before, after = arrays
        return _scaled_norms(gradients, before, _differences(after, before))

    arrays = [gradients, before, after]
    return ops.cond(in_range, lambda: ops.sqrt(squares), lambda: backend.out_of_line(carefully, arrays))


def _differences(arrays, others):
    return [ops.cast(one, "float32") - ops.cast(other, "float32") for one, other in zip(arrays, others, strict=True)]


def _scaled_norms(*lists):
    """L2 norm of each array of some lists, and of all in a list, (lists, arrays + 1), whatever their range."""
    arrays = [ops.cast(array, "float32") for arrays in lists for array in arrays]
    scales = _positive(ops.stack([ops.max(ops.abs(array)) for array in arrays]))
    scaled = [array / scales[place] for place, array in enumerate(arrays)]
    return _with_total(ops.reshape(scales * ops.sqrt(backend.square_sums(scaled)), (len(lists), -1)))


def _with_total(norms):
    """Norms of arrays, and of all arrays in a row together: (rows, arrays) -> (rows, arrays + 1)."""
    scale = _positive(ops.max(norms, axis=1, keepdims=True))
    total = scale * ops.sqrt(ops.sum(ops.square(norms / scale), axis=1, keepdims=True))
    return ops.concatenate([norms, total], axis=1)


def _with_largest(flags):
    """Flags, and whether any is set: (weights,) -> (weights + 1,)."""
    return ops.concatenate([flags, ops.max(flags, keepdims=True)])


def _positive(array):
    return ops.where(array > 0, array, ops.ones_like(array))


def _clips(optimizer):
    limits = optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue
    return any(limit is not None and limit > 0 for limit in limits)


def _all_after_clipping(parts, norms, unscaled):
    """Norms after the clipping of all parts of an update, and 1 where it changed something, (2, weights + 1).

    Args:
        parts: Each a `_Part`.
        norms: Of the gradients before it, (weights + 1,).
        unscaled: What `_unscaled` gives of each part.
    """
    clipped, changed, first = [], [], 0
    for part, (rows, dense) in zip(parts, unscaled, strict=True):
        each = norms[first : first + len(part.variables)]
        first += len(part.variables)
        norms_after, is_other = each, ops.zeros_like(each)
        if _clips(part.optimizer):
            norms_after, is_other = _after_clipping(part.optimizer, each, rows, dense)
        clipped.append(norms_after)
        changed.append(is_other)
    return ops.stack([_with_total(ops.concatenate(clipped)[None])[0], _with_largest(ops.concatenate(changed))])


def _after_clipping(optimizer, each, rows, dense):
    """Norms after an optimizer's clipping, and 1 where it changed something; (weights,) each.

    Keras' own formulas, so that what overflows there does so here; but of norms, where Keras computes gradients.

    Args:
        optimizer: With clipping.
        each: Norms of the gradients before it, (weights,).
        rows: The gradients as clipping sees them.
        dense: Function from such rows to gradients.
    """
    seen = ops.sqrt(_squares(rows)[0])
    if optimizer.clipnorm:
        limit = optimizer.clipnorm
        changed = seen[:-1] > limit
        clipped = ops.where(changed, each * (limit / seen[:-1]), each)
    elif optimizer.global_clipnorm:
        limit = optimizer.global_clipnorm
        changed = ops.broadcast_to(seen[-1:] > limit, each.shape)
        # Infinite: NaN, as with Keras.
        clipped = ops.where(changed, each * (limit / seen[-1:]), each) + (seen[-1:] - seen[-1:])
    else:
        limit = optimizer.clipvalue
        changed = ops.stack([ops.max(ops.abs(array)) > limit for array in rows])
        clipped = _scaled_norms(dense([ops.clip(array, -limit, limit) for array in rows]))[0, :-1]
    return clipped, ops.cast(changed, "float32")
