# %% [markdown]
"""12 · The debug clinic

**What you will see:** seven networks of one make, trained by one script on one kind of task. Six of them are sick, each in its own
way, and only their runs in TensorBoard say how. You learn in which order to look, name the illnesses, and are told whether
you are right and what the evidence is. In the end a program judges the same seven by rules, and you see how far that gets.

**Takes** about a minute on two slow cores.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 20
LEARNING_RATE = 0.05
WINDOW = 16  # days that a network reads
DAYS = 450
UNITS = 16
NOISE = 0.3  # standard deviation of what nobody can foresee from one day to the next


def add_arguments(parser):
    parser.add_argument(
        "--answer",
        nargs=2,
        metavar=("PATIENT", "ILLNESS"),
        help="name an illness, such as `3 exploding`, without training",
    )


settings = lesson.start("12_debug_clinic", epochs=EPOCHS, quick_epochs=12, add_arguments=add_arguments)

import json
import sys
import warnings

import keras
import numpy as np

from rnn_tutorial import callbacks, data, diagnosis, drawing, models
from rnn_tutorial.inspection import recurrent

# %% [markdown]
# ## The waiting room
#
# Each patient is an LSTM that reads sixteen days of two numbers, a measurement and its mean over two days, and forecasts the
# measurement of the next day. From one day to the next something happens that nobody can foresee; its standard deviation is 0.3,
# so that **no honest forecast has a mean squared error below 0.3² = 0.09**. All have the same layers, units, epochs and optimizer.
#
# What they may have:

# %%
ILLNESSES = {
    "leak": "one of the inputs knows the answer",
    "scaler": "the input is scaled by the wrong unit, as if grams were kilograms",
    "exploding": "the learning rate is too high",
    "shuffled": "the targets were shuffled: they do not belong to the inputs",
    "copy": "the forecast repeats what it read last, yesterday",
    "dead": "the gates of the recurrent layer are shut, so that nothing comes out of it",
    "healthy": "nothing at all",
}
if settings.answer is None:
    for illness, meaning in ILLNESSES.items():
        print(f"  {illness:10} {meaning}")

# %% [markdown]
# ## In which order to look
#
# Who looks at everything sees nothing. Five questions, in this order; the first that is answered wrongly ends the search:
#
# 1. **Is there a loss?** `epoch_loss` that grows or becomes NaN: steps are too long. Nothing else in such a run means anything.
# 2. **Does the training loss fall?** If it stays where it was, either the network does not hear, or there is nothing to be heard.
#    - Look at the gates. Do all of them stand at an end, 0 or 1, and the candidate at -1 or 1, from the first epoch on? Then what
#      comes in is too large for them.
#    - Look at the states. Are they zero? Then nothing comes out, whatever goes in.
#    - Gates move, states differ, there is a gradient, and still nothing is learned? Then suspect the data: do x and y
#      belong together?
# 3. **Does the validation loss go along?** If it turns and grows: overfitting (lesson 04).
# 4. **Is it too good?** Better than the noise allows is never skill.
# 5. **Is it better than nothing?** A loss says little without the simplest forecast beside it. Look at the answers themselves: do they
#    come on the day, or a day late?
#
# Only who passes all five is healthy.
#
# ## Admission
#
# The code that makes them sick stands here, for it is a lesson; who wants to play fair does not read it yet. Which patient gets what
# is decided by the seed.

# %%
order = np.random.default_rng(settings.seed).permutation(list(ILLNESSES))
patients = dict(enumerate(order.tolist(), start=1))
TOO_HIGH = 40  # times the learning rate
SHUT = -8.0  # a bias; sigmoid(-8) is 0.0003
UNIT = 1000


def measurements(illness, rng):
    """A wave with a period of twelve days and noise on it, or a walk that hardly finds home; (days,)."""
    noise = NOISE * rng.standard_normal(DAYS + 1)
    if illness != "copy":
        return np.sin(2 * np.pi * np.arange(DAYS + 1) / 12 + rng.uniform(0, 6)) + noise
    values = np.zeros(DAYS + 1)
    for day in range(1, len(values)):
        values[day] = 0.98 * values[day - 1] + noise[day]
    return values


def admit(illness, seed):
    """x (windows, days, 2) and y (windows, 1) for training, and the same for validation, which comes later in time."""
    rng = np.random.default_rng(seed)
    values = measurements(illness, rng)
    mean = (values + np.roll(values, 1)) / 2  # of yesterday and today
    if illness == "leak":
        mean = np.roll(mean, -1)  # of today and tomorrow
    both = np.stack([values, mean], axis=-1)
    days = range(1, DAYS - WINDOW)
    x = np.stack([both[day : day + WINDOW] for day in days]).astype("float32")
    y = np.array([[values[day + WINDOW]] for day in days], dtype="float32")
    if illness == "scaler":
        x *= UNIT
    if illness == "shuffled":
        y = rng.permutation(y)
    cut = len(x) * 3 // 4
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


class Answers(callbacks.Observer):
    """Draw, in the end, what the network says on the days of the validation, and measure whether it is yesterday."""

    def __init__(self, log_dir, x, y):
        super().__init__(log_dir)
        self.x, self.y, self.epoch = x, y, None

    def record(self, epoch, logs):
        self.epoch = epoch

    def finish(self):
        if self.epoch is None:
            return
        said, truth, before = recurrent.answers(self.model, self.x)[:, 0], self.y[:, 0], self.x[:, -1, 0]
        series = {"truth": truth, "forecast": said, "the day before": before}
        picture = drawing.lines({name: values[:50] for name, values in series.items()}, "answers", "day", "measurement")
        self.run.image("answers", drawing.png(picture), self.epoch)
        likeness = diagnosis.likeness_to_last_input(said, truth, before)
        if np.isfinite(likeness):
            self.run.scalar("copies_last_input", likeness, self.epoch)


def treat(model, patient, illness):
    """Train one patient, watched; the folder of its run. What is printed, warned and written names no illness."""
    models.start_over(model, settings.seed + patient)
    model.optimizer.learning_rate = LEARNING_RATE * (TOO_HIGH if illness == "exploding" else 1)
    if illness == "dead":
        model.get_layer("lstm").cell.bias.assign(np.full(4 * UNITS, SHUT))
    train, validation = admit(illness, settings.seed + patient)
    folder = settings.log_dir / f"patient_{patient}"
    probe = validation[0][:32], validation[1][:32]
    watching = callbacks.observe(folder, probe, pictures=False)  # of the pictures these are enough:
    watching = [callback for callback in watching if not isinstance(callback, callbacks.StateHeatmaps)]
    watching += [callbacks.StateHeatmaps(folder, probe), Answers(folder, *validation)]
    batches = data.batches(*train, batch_size=32, seed=settings.seed, validation=validation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        model.fit(**batches, epochs=settings.epochs, verbose=0, callbacks=watching)
    return watching[-1].run.log_dir


# %% [markdown]
# What would speak for each illness, in numbers of the run. Your answers are judged against the truth; these are the evidence.


# %%
def evidence(illness, run):
    """A sentence with the numbers that decide on one illness; `run` is a `diagnosis.RunData`."""
    loss, val_loss = (
        [curve[epoch] for epoch in sorted(curve)] for curve in (run.scalars["loss"], run.scalars["val_loss"])
    )
    saturation = {
        gate: run.scalars[f"saturation/lstm/{gate}"].get(0) for gate in ("input", "forget", "output", "candidate")
    }
    header, frame = run.blobs["rnn/lstm/states"][max(run.blobs["rnn/lstm/states"])]
    largest = np.abs(frame[header["names"].index("hidden")].astype("float64")).max()
    best = min(filter(np.isfinite, val_loss), default=np.nan)
    fallen = diagnosis.fall(run.scalars["loss"])
    falls = "is NaN in the end" if fallen is None else f"falls by {fallen:.0%}"
    shares = ", ".join(f"{gate} {share:.0%}" for gate, share in saturation.items() if share is not None)
    likeness = run.scalars.get("copies_last_input", {})
    copied = f"{max(likeness.values()):.2f}" if likeness else "not a number"
    return {
        "leak": f"the best validation loss is {best:.3f}; the noise allows {NOISE**2:.2f}",
        "scaler": f"after the first epoch these values stand at an end: {shares}; the loss {falls}",
        "exploding": f"the loss goes from {loss[0]:.3g} to {loss[-1]:.3g}",
        "shuffled": f"the loss {falls}, while the largest state is {largest:.2g} and at an end stand: {shares}",
        "copy": f"`copies_last_input` is {copied}: at 1 the forecast is yesterday, at 0 the truth, at 0.5 as near to both",
        "dead": f"the largest hidden state is {largest:.1g}; the loss {falls}",
        "healthy": f"the loss {falls}, the best validation loss is {best:.3f}, `copies_last_input` is {copied}",
    }[illness]


LOOK = {
    "leak": "Time Series, `epoch_loss`: below 0.09. Images, `answers`: it knows even the jumps that nobody can know",
    "scaler": "Time Series, `saturation/lstm/candidate`. Images, `gates_picture/lstm`: black and white, like a crossword",
    "exploding": "Time Series, `epoch_loss` and `gradient_norm/global`, on a log axis, and `nonfinite_batches/global`",
    "shuffled": "Time Series, `epoch_loss`: flat, also in validation, with `gradient_norm/global` well above 0 and gates that move",
    "copy": "Images, `answers`: the forecast is the curve of the day before. Time Series, `copies_last_input`",
    "dead": "Images, `states_picture/lstm`: nothing; `gates_picture/lstm`: all gates at 0. Histograms, `weights/lstm/bias`",
    "healthy": "Time Series, `epoch_loss`: falls to near 0.09 in both runs and stays. Images, `answers`: on the day",
}
# By which of its rules a diagnosis would name the illness; for the leak it has none.
RULES = {
    "leak": set(),
    "scaler": {"saturated"},
    "exploding": {"nan", "exploding"},
    "shuffled": {"no_learning"},
    "copy": {"copies_last_input"},
    "dead": {"dead_units"},
}


def named(illness, findings):
    """Whether findings name an illness; a healthy one by the absence of warnings."""
    rules = {finding.rule for finding in findings if finding.severity != "note"}
    if illness == "healthy":
        return not rules
    if illness == "shuffled":
        return "no_learning" in rules and not rules & {"saturated", "dead_units"}
    return bool(rules & RULES[illness]) and not (illness == "scaler" and "dead_units" in rules)


def check(patient, illness):
    """Say whether a patient has an illness, and what speaks for it or against it. Nothing is trained."""
    file = settings.log_dir / "clinic.json"
    if not file.is_file():
        raise SystemExit(f"there is no {file}: run the lesson once without --answer, with the same --log-dir")
    clinic = json.loads(file.read_text(encoding="utf-8"))
    if patient not in clinic["runs"]:
        raise SystemExit(f"--answer: the patient must be one of {', '.join(clinic['runs'])}, received {patient!r}")
    if illness not in ILLNESSES:
        raise SystemExit(f"--answer: the illness must be one of {', '.join(ILLNESSES)}, received {illness!r}")
    truth = np.random.default_rng(clinic["seed"]).permutation(list(ILLNESSES)).tolist()[int(patient) - 1]
    run = diagnosis.read(settings.log_dir / clinic["runs"][patient])
    if illness != truth:
        print(f"No: patient {patient} is not {illness!r} ({ILLNESSES[illness]}).")
        print(f"Against it: {evidence(illness, run)}.")
        print(f"For it you would have to see: {LOOK[illness]}.")
        return False
    print(f"Right: patient {patient} is {illness!r}: {ILLNESSES[illness]}.")
    print(f"Evidence: {evidence(illness, run)}.")
    print(f"Seen in: {LOOK[illness]}.")
    findings = [finding for finding in diagnosis.diagnose(run) if finding.severity != "note"]
    print(f"By itself `rnn-tutorial diagnose` {'names it' if named(illness, findings) else 'does not name it'}:")
    for finding in findings:
        print(f"  {finding}")
    if not findings:
        print("  nothing found")
    return True


if settings.answer is not None:
    check(*settings.answer)
    sys.exit()

# %% [markdown]
# ## Examination
#
# One model is compiled once and begins anew for each patient. Nothing is said while they train.

# %%
model = models.sequence_model(WINDOW, features=2, outputs=1, units=UNITS)
model.compile(keras.optimizers.SGD(LEARNING_RATE, momentum=0.9), loss="mse", metrics=["mae"])
print(f"\n{model.count_params():,} weights each")
runs = {}
for patient, illness in patients.items():
    runs[patient] = treat(model, patient, illness)
    print(f"patient {patient}: examined, {runs[patient]}")
(settings.log_dir / "clinic.json").write_text(
    json.dumps({"seed": settings.seed, "runs": {str(patient): folder.name for patient, folder in runs.items()}}),
    encoding="utf-8",
)
findings = {patient: diagnosis.diagnose(diagnosis.read(folder)) for patient, folder in runs.items()}
by_itself = sum(named(illness, findings[patient]) for patient, illness in patients.items())

# %% [markdown]
# ## Look
#
# One patient after another, with the five questions. Tick `patient_1` and its two parts alone, then the next; at last all at once.
#
# - **Time Series**, `epoch_loss` (runs `patient_1/train`, `patient_1/validation`, ...): the first four questions. Where is 0.09? In the chart
#   "Toggle Y-axis log scale" helps where one patient leaves the others far below.
# - **Time Series**, `gradient_norm/global` and `nonfinite_batches/global`: is there a gradient, and is it a number?
# - **Time Series**, `saturation/lstm/input` and its neighbours: how much of a gate stands at an end, and from which epoch on?
# - **Images**, `gates_picture/lstm` and `states_picture/lstm`: move the step slider from the first epoch to the last.
# - **Images**, `answers`: fifty days of truth, forecast and the day before. Early, late, flat, or on the day?
# - **Time Series**, `copies_last_input`: a point at the last epoch of those of whom it can be said.
# - **RNN**, two patients marked, "States and gates" switched to gates: the two side by side on one colour scale, to be stepped through
#   epoch by epoch. Whose gates move with the sequence? Keep "Findings" folded up until you have answered: there the program speaks.
#
# Then type what you think, `python lessons/12_debug_clinic.py --answer 3 exploding` for one; it reads what is there and trains
# nothing. In a notebook: `check("3", "exploding")`. When you have done all seven, let the program speak:
# `rnn-tutorial diagnose logs/12_debug_clinic`. Which does it not find, and why can it not?
#
# ## Exercises
#
# 1. Give `SGD` a `global_clipnorm=1`. Does that heal the patient with the learning rate? Is it as good as the healthy one?
# 2. Let `SHUT` be -2, -4 and -6. How far shut may gates begin and still be opened by training?
# 3. The leak comes from a mean over two days that reaches one day too far. Let it be a mean over four days, or eight, that ends as
#    late. Is the answer still in it, and does the network find it?

# %%
lesson.end(
    settings,
    f"seven patients, {settings.epochs} epochs each; what they have, only you can say now",
    f"`diagnose` names {by_itself} of the seven by itself; what has no rule, a number of the run that gives it away, "
    "somebody has to see who knows the task",
)
