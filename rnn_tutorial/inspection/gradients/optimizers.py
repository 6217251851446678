"""The optimizers of a model, and our functions around their methods."""

import collections.abc
import contextlib
from typing import Any

import keras

from rnn_tutorial import backend
from rnn_tutorial.inspection import keras_internals
from rnn_tutorial.inspection.gradients import update
from rnn_tutorial.inspection.gradients.recorder import forgiven

# Containers with more things in them hold no optimizers, and would take long to search.
_LARGEST_CONTAINER = 1000


def found_in(model):
    """All optimizers that a model, or a layer of it, has as an attribute, and those that these hold."""
    found: dict[int, Any] = {}
    for layer in keras_internals.flatten_layers(model):
        for value in list(vars(layer).values()):
            _find(value, found)
    return list(found.values())


def _find(value, found, depth=4):
    """Put the optimizers in a value, and in containers in it, into {id: optimizer}."""
    if isinstance(value, keras.optimizers.Optimizer):
        if id(value) not in found:
            found[id(value)] = value
            for held in list(vars(value).values()):
                _find(held, found)
    elif depth and isinstance(value, (list, tuple, collections.abc.Mapping)) and len(value) <= _LARGEST_CONTAINER:
        for held in list(value.values() if isinstance(value, collections.abc.Mapping) else value):
            _find(held, found, depth - 1)


def _unscaled(optimizer):
    """The optimizer that a `LossScaleOptimizer`, or one inside another, hands unscaled gradients to."""
    while isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return optimizer


class Wrapped:
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
        self._optimizers = found_in(model)
        self._root = model.optimizer
        # A model inside of this one may be trained by itself; that is another training.
        self._of_others = {
            id(layer.optimizer)
            for layer in keras_internals.flatten_layers(model)
            if isinstance(layer, keras.Model) and getattr(layer, "optimizer", None) not in (None, model.optimizer)
        }
        self.is_training = False  # this model, by its train function
        # The optimizer whose `stateless_apply` calls `apply`: a `LossScaleOptimizer` calls that of the one inside.
        self._carrier = _unscaled(self._root)
        stateless = backend.is_stateless()
        self._variables = [variable for recorder in recorders for variable in recorder.variables] if stateless else []
        self._wrapped: list[tuple[Any, str, Any]] = []  # (optimizer, method, its own attribute of that name)
        self._update: Any = None  # the `update.Update` that is going on
        self._calls = 0  # of any optimizer's `apply`
        self._shows = contextlib.ExitStack()
        self._is_hidden = False

    def __enter__(self):
        if self._recorders:
            with forgiven(self._recorders):
                for optimizer in self._optimizers:
                    self._wrap(optimizer)
                if self._variables:
                    self._put(self._root, "stateless_apply", self._around_stateless_apply)
                    if self._shown:
                        self._shows.enter_context(keras_internals.tracked(self._carrier, self._variables))
        return self

    def __exit__(self, *exception):
        self._shows.close()
        keras_internals.put_back(reversed(self._wrapped))
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
            with forgiven(self._recorders):
                variables = trainable_variables or keras_internals.trained_by(optimizer)
                update.count_left_out(self._recorders, grads, variables)
            return apply(grads, trainable_variables, **named)

        return observed

    def _around_stateless_apply(self, root, stateless_apply):
        """`apply` inside of it finds the recorders' variables among those of the optimizer.

        A train function brings their values behind those of the optimizer.
        """
        if self._shown:
            return self._counting_left_out(root, stateless_apply)

        def observed(optimizer_variables, grads, trainable_variables):
            with keras_internals.tracked(self._carrier, self._variables):
                places = self.places(self._variables)
                values = _behind_to_places(list(optimizer_variables), places)
                counting = self._counting_left_out(root, stateless_apply)
                trainable_variables, values = counting(values, grads, trainable_variables)
                return trainable_variables, _places_to_behind(list(values), places)

        return observed

    def _counting_left_out(self, root, stateless_apply):
        def observed(optimizer_variables, grads, trainable_variables):
            if root is not self._carrier and len(optimizer_variables) == len(root.variables):
                mapping = list(zip(root.variables, optimizer_variables, strict=True))
                with keras.StatelessScope(state_mapping=mapping) as scope, forgiven(self._recorders):
                    update.count_left_out(self._recorders, grads, keras_internals.trained_by(root))
                optimizer_variables = [scope.get_current_value(variable) for variable in root.variables]
            return stateless_apply(optimizer_variables, grads, trainable_variables)

        return observed

    def _around_build(self, optimizer, build):
        """A `MultiOptimizer` may learn only here which optimizers it holds."""
        hiding = self._hiding(optimizer, build)

        def observed(variables):
            result = hiding(variables)
            with forgiven(self._recorders):
                found: dict[int, Any] = {}
                _find(optimizer, found)
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
                with keras_internals.untracked(self._carrier, self._variables):
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
        with forgiven(self._recorders):
            place = backend.place()
            self._update = outer if outer is not None and outer.place == place else update.Update(place)
            part = update.before(self._recorders, optimizer, grads, variables)
        own = self._update
        try:
            with backend.forgetting(getattr(own, "place", None)):
                yield
        finally:
            self._update = outer
        with forgiven(self._recorders):
            if part is not None and self._calls == calls:
                own.parts.append(part)
            if own is not outer:
                own.record(self._recorders)


def _behind_to_places(values, places):
    """Move the last values of a list to the given places: an optimizer may list others' variables behind its own."""
    size = len(values) - len(places)
    moved = values[:size]
    for place, value in sorted(zip(places, values[size:], strict=True), key=lambda pair: pair[0]):
        moved.insert(place, value)
    return moved


def _places_to_behind(values, places):
    """Undo `_behind_to_places`."""
    return [value for place, value in enumerate(values) if place not in places] + [values[place] for place in places]
