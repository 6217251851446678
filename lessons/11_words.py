# %% [markdown]
"""11 · Words

**What you will see:** a network reads ten words and predicts the next one. How good that is, you measure against two
baselines that need no network at all; what it learned, you read: sentences that it writes, after every epoch and at three
temperatures, words that it holds to be alike, and gates that react to certain words. Then a second network answers a
question about a whole sentence, yes or no: are these words in their right order?

**Takes** about 70 seconds; with the Brown corpus longer.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 4
LEARNING_RATE = 0.01
BATCH_SIZE = 256
WINDOW = 10  # words read before the prediction
EMBEDDING = 64
UNITS = 128
HELD_OUT = 0.1  # of the text, its end
WINDOWS = 40_000  # to train on, at most; they are taken evenly from the text
HELD_OUT_WINDOWS = 5_000
TEMPERATURES = (0.5, 1.0, 1.5)
# For the second network.
SENTENCES = 4_000  # at most
SHORTEST, LONGEST = 5, 30  # words of a sentence
SENTENCE_UNITS = 64
SENTENCE_EPOCHS = 2
SENTENCE_BATCH_SIZE = 128
SENTENCE_LEARNING_RATE = 0.005


def add_arguments(parser):
    parser.add_argument(
        "--corpus",
        choices=("brown", "python"),
        help="brown: the Brown corpus, fetched by NLTK; python: Python's language reference, which is there already "
        "(default: brown, or python with --quick)",
    )


settings = lesson.start("11_words", epochs=EPOCHS, quick_epochs=2, add_arguments=add_arguments)

import time

import keras
import numpy as np

from rnn_tutorial import callbacks, data, inspection, language, models

keras.utils.set_random_seed(settings.seed)
corpus = settings.corpus or ("python" if settings.quick else "brown")
max_windows = WINDOWS // 4 if settings.quick else WINDOWS

# %% [markdown]
# ## The text
#
# A *corpus* is a collection of texts to learn from. The Brown corpus is one of the oldest: 500 samples of American English of 1961,
# 1.2 million words. NLTK fetches it (`pip install nltk`). Without it, we take the English that comes with every Python: its
# language reference, as `help("assert")` prints it, without the examples. That is a small text on one subject. Real language
# models read a million times more.
#
# NLTK also has `brown.raw()`, and that is a trap. It is the file as it lies on the disk, in which each word carries its part of
# speech: `The/at jury/nn said/vbd`. A network fed with that learns to write tags. `data.text` asks for sentences, each a list of
# words. Punctuation marks count as words, and capital letters become small ones, so that `The` and `the` are one word.

# %%
sentences = data.text.sentences(corpus)
text = [word for sentence in sentences for word in sentence]
print(f"\n{len(sentences):,} sentences, {len(text):,} words, {len(set(text)):,} different ones. One sentence:")
print(" | ".join(next(sentence for sentence in sentences if 8 <= len(sentence) <= 16)))

# %% [markdown]
# ## The vocabulary
#
# The end of the text is held out: the network is measured on it and never trained on it. Splitting by position, not at random,
# matters here as it does for sales: neighbouring windows share nine of their ten words.
#
# A *vocabulary* gives each word a number, its id. It is made from the training text alone. Words seen only once are left out:
# nothing can be learned of a word from one example. For each of them, and for every word of the held-out text that the training
# text does not have, stands the *unknown word*, `<unknown>`, with id 1. Id 0 is padding, which we need at the end.

# %%
cut = int(len(text) * (1 - HELD_OUT))
vocabulary = data.text.Vocabulary(text[:cut])
ids_train, ids_held_out = np.array(vocabulary.encode(text[:cut])), np.array(vocabulary.encode(text[cut:]))
print(f"\n{len(vocabulary):,} words in the vocabulary:", *vocabulary.words[:12], "...")
for name, ids in (("training", ids_train), ("held out", ids_held_out)):
    print(f"{name}: {len(ids):9,} words, {np.mean(ids == 1):.1%} of them unknown")

# %% [markdown]
# ## Windows
#
# As with letters: a window of words in, the next word out. Both are ids, and nothing is one-hot. To save time we train on a part of
# all windows, taken evenly from the training text:


# %%
def spread(x, y, most):
    """At most so many windows, evenly from the whole text."""
    places = np.linspace(0, len(x) - 1, min(most, len(x))).astype(int)
    return x[places], y[places]


x, y = spread(*data.text.windows(ids_train, WINDOW), max_windows)
x_held_out, y_held_out = spread(*data.text.windows(ids_held_out, WINDOW), HELD_OUT_WINDOWS)
print(f"\nx {x.shape}, y {y.shape}: {data.text.join(vocabulary.decode(x[0]))} -> {vocabulary.decode(y[:1])[0]}")
one_hot_bytes = y.size * len(vocabulary) * 4
print(f"y takes {y.nbytes / 1e6:.1f} MB; as one-hot vectors it would take {one_hot_bytes / 1e6:,.0f} MB")

# %% [markdown]
# ## The network
#
# Two things do not work, and both are tried often. A network cannot be fed with strings, it computes. And an LSTM cannot be fed
# with `x` as it is: it wants (samples, time steps, features), and ids have no features. Besides, ids are not quantities: word
# 40 is not twice word 20.

# %%
mistakes = {}
for name, wrong in (("words as they are", np.array([text[:WINDOW]])), ("ids", x[:1].astype("float32"))):
    try:
        keras.layers.LSTM(UNITS)(keras.ops.convert_to_tensor(wrong.astype("float32")))
    except ValueError as error:
        mistakes[name] = str(error).splitlines()[0]
        print(f"\nan LSTM on {name}: ValueError: {mistakes[name]}")
assert len(mistakes) == 2

# %% [markdown]
# What is missing between the two is an *embedding* (lesson 03): a table with a row of 64 numbers for each word, which are learned with
# the rest. It turns ids (samples, steps) into (samples, steps, 64), and that an LSTM can read.
#
# **The loss.** Exactly one of all words comes next, so that the output is a softmax over the vocabulary, and the loss is the
# cross-entropy of lesson 01: -log of the probability of the word that came. *Sparse* says that the target is an id. *Binary*
# cross-entropy is something else: it answers one question with yes or no. Put on each word of a vocabulary it would ask a
# thousand questions at once, whose right answer is no, except for one. A network that always says no to everything has nearly all
# of them right:

# %%
always_no = 1 - 1 / len(vocabulary)
print(f"\nno to every word: {always_no:.2%} of the answers are right, and no word is ever predicted")

model = models.word_predictor(vocabulary_size=len(vocabulary), embedding=EMBEDDING, units=(UNITS,))
model.compile(keras.optimizers.Adam(LEARNING_RATE), loss="sparse_categorical_crossentropy")
model.summary()

# %% [markdown]
# ## How good is good?
#
# A mean loss of 4.6 says little. Its exponential says more:
#
#     perplexity = exp( mean of -log p(the word that came) )
#
# The network is as surprised as if it had to guess among so many equally likely words. Knowing nothing, that is the
# size of the vocabulary. Two baselines, both nothing but counting in the training text:
#
# - The *unigram* does not read. It gives each word the probability with which it occurs at all.
# - The *bigram* reads one word, the last, and counts what came after it. Most pairs never occurred, so it is mixed with the unigram:
#
#       p(word | previous) = weight * count(previous, word) / count(previous) + (1 - weight) * unigram(word)
#
#   The weight is chosen on the last tenth of the training text. The held-out text has no say in it.
#
# All are measured on the same held-out words with the same vocabulary; otherwise perplexities cannot be compared.

# %%
unigram = language.Unigram(ids_train, len(vocabulary))
bigram = language.Bigram(ids_train, len(vocabulary))
perplexities = {
    "no idea": float(len(vocabulary)),
    "unigram": language.perplexity(unigram, x_held_out, y_held_out),
    f"bigram, weight {bigram.weight:.2f}": language.perplexity(bigram, x_held_out, y_held_out),
}
unigram_perplexity, bigram_perplexity = list(perplexities.values())[1:]
print("\nPerplexity on the held-out text")
for name, value in perplexities.items():
    print(f"{name:22} {value:8.1f}")

# %% [markdown]
# ## Train, and watch it write
#
# `callbacks.SampledText` lets the network go on with a text after each epoch. It draws a word from the probabilities, appends it,
# reads again, draws again. Before drawing, each probability is raised to the power 1/T, and T is called the *temperature*: below 1
# the likely words become likelier, above 1 the unlikely ones get their chance. `callbacks.EmbeddingProjector` writes the table of the
# embedding, and `observe` all the rest, with a few windows of the held-out text as its probe.

# %%
prompt = x_held_out[(x_held_out != 1).all(axis=1)][0]
probe = x_held_out[:32], y_held_out[:32]
watching = [
    *callbacks.observe(settings.log_dir / "words", probe=probe),
    callbacks.SampledText(settings.log_dir / "words", prompt, vocabulary, TEMPERATURES, seed=settings.seed),
    callbacks.EmbeddingProjector(settings.log_dir / "words", labels=vocabulary.words),
]
history = model.fit(
    **data.batches(x, y, batch_size=BATCH_SIZE, seed=settings.seed, validation=(x_held_out, y_held_out)),
    epochs=settings.epochs,
    verbose=0,
    callbacks=watching,
).history
by_epoch = {name: np.exp(history[loss]) for name, loss in (("training", "loss"), ("held out", "val_loss"))}
print("\nPerplexity   training   held out")
for epoch, (training, held_out) in enumerate(zip(*by_epoch.values(), strict=True)):
    print(f"epoch {epoch:3} {training:11.1f} {held_out:10.1f}")
lesson.show_files(settings.log_dir / "words")
lstm_perplexity = language.perplexity(model, x_held_out, y_held_out)
# Our own sum over the held-out words, against the loss that Keras measured.
perplexity_difference = abs(lstm_perplexity / by_epoch["held out"][-1] - 1)
assert perplexity_difference < 1e-3
assert lstm_perplexity < unigram_perplexity

# %% [markdown]
# (The perplexity on the training text is the mean over an epoch while the network gets better, the other one is measured at its
# end. That is why at first the held-out text may seem the easier one.)
#
# Is it better than the baselines?

# %%
print(f"\nunigram {unigram_perplexity:.1f}, bigram {bigram_perplexity:.1f}, LSTM {lstm_perplexity:.1f}")
if lstm_perplexity < bigram_perplexity:
    first = int(np.argmax(by_epoch["held out"] < bigram_perplexity))
    print(f"The LSTM has passed the bigram, after epoch {first}.")
else:
    print(
        f"The bigram wins. It counted all {len(ids_train) - 1:,} pairs of the training text, which takes no time; the LSTM saw "
        f"{len(y):,} words to predict, {settings.epochs} times, and has to find out by small steps what counting says at once."
    )

# %% [markdown]
# The unigram is beaten soon. The bigram is a stubborn opponent: on a small text, most of what can be known about the next word is
# known from the word before it, and no training is needed for that. It takes the network some epochs to know as much, and only
# then it pays that it reads more than one word. How much does each word more bring? We keep the last words of each held-out
# window and exchange those before them for the words of some other window. What the network then misses is what it had from them:

# %%
others = np.random.default_rng(settings.seed).permutation(x_held_out)  # the same windows in another order
by_words_kept = {}
for kept in (1, 2, 4, WINDOW):
    exchanged = np.concatenate([others[:, :-kept], x_held_out[:, -kept:]], axis=1)
    by_words_kept[kept] = language.perplexity(model, exchanged, y_held_out)
print("\nwords kept " + "".join(f"{count:8}" for count in by_words_kept))
print("perplexity " + "".join(f"{value:8.1f}" for value in by_words_kept.values()))

# %% [markdown]
# At full settings the last word does most of the work, and the one before it brings much of what is left. What stands further back
# than four words hardly matters here. With `--quick` the network has not found out about any of it yet.
#
# ## What it writes
#
# The same beginning, the same random numbers, three temperatures; below, what the bigram writes.

# %%
print(f"\nThe beginning: {data.text.join(vocabulary.decode(prompt))}")
written = {
    temperature: language.sample(model, prompt, 25, temperature, seed=settings.seed) for temperature in TEMPERATURES
}
for temperature, ids in written.items():
    print(f"\ntemperature {temperature}: {data.text.join(vocabulary.decode(ids))}")
by_bigram = language.sample(bigram, prompt, 25, 1.0, seed=settings.seed)
print(f"\nthe bigram at 1.0: {data.text.join(vocabulary.decode(by_bigram))}")


def commonness(ids):
    """Mean probability, in the training text, of the words that were written."""
    return float(unigram.probabilities[ids].mean())


samples = 1 if settings.quick else 2
commonness_at = {
    temperature: commonness(
        np.concatenate(
            [language.sample(model, prompt, 50, temperature, seed=settings.seed + 1 + n) for n in range(samples)]
        )
    )
    for temperature in (TEMPERATURES[0], TEMPERATURES[-1])
}
print("\nhow common the words are, by temperature: " + ", ".join(f"{t}: {c:.3f}" for t, c in commonness_at.items()))

# %% [markdown]
# At 0.5 it writes what is common, over and over. At 1.5 rare words come in, and with them nonsense. Neither makes sense for longer
# than a few words: the network has read a book, not the world.
#
# ## Words that are alike
#
# Nobody told the network what a word means. But words that are followed by the same words had to get similar rows in the
# embedding, since that is all that the LSTM gets to see. Which rows point in the same direction? The cosine of the angle
# between them says: 1 is the same direction, 0 is none in common.

# %%
embedding = model.get_layer("embedding").get_weights()[0]  # (words, 64)
directions = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)


def neighbours(word, count=5):
    """The nearest among the 500 most frequent words, with the cosine of the angle between the two."""
    likeness = directions[2:502] @ directions[vocabulary.encode([word])[0]]
    order = [place + 2 for place in np.argsort(-likeness) if vocabulary.words[place + 2] != word][:count]
    return [(vocabulary.words[place], float(likeness[place - 2])) for place in order]


print("\nnearest neighbours")
shown = [word for word in ("the", "is", "in", "can", "of", "method", "man", ".", "he", "string") if word in vocabulary]
for word in shown[:7]:
    print(f"{word:8} " + "  ".join(f"{other} {cosine:.2f}" for other, cosine in neighbours(word)))

# %% [markdown]
# Some of them are convincing, others are not: few epochs on a small text give each word few chances to move, and a word seen
# twice stays about where chance has put it. That is why only the 500 most frequent are compared here.
#
# ## Which words make it forget?
#
# The forget gate says how much of the memory is kept (lesson 10). `inspection.trace` gives it for each word that is read. Means over all
# units, for words that occur often enough in a thousand windows of the held-out text:

# %%
read = x_held_out[:1000]
forget = inspection.trace(model, read)["lstm"].gates["forget"].mean(axis=2)[:, 1:]  # (batch, time - 1), without step 0
gate_of = {
    vocabulary.words[number]: float(forget[read[:, 1:] == number].mean())
    for number in range(2, len(vocabulary))
    if np.sum(read[:, 1:] == number) >= 50
}
ordered = sorted(gate_of, key=gate_of.get)
print(f"\nforget gate, mean of all words {forget.mean():.2f}")
print("keep least: " + ", ".join(f"{word} {gate_of[word]:.2f}" for word in ordered[:6]))
print("keep most:  " + ", ".join(f"{word} {gate_of[word]:.2f}" for word in ordered[-6:]))

# %% [markdown]
# At full settings it was the same for both seeds that we tried, 1 and 123: small words such as *of* and *are* keep less of what was before, nouns such
# as *argument* and *value* keep more. Perhaps because after a small word that word itself says what can come, while a noun leaves the
# sentence to go on as it began. That is a guess, and the gate does not say whether it is right.
#
# And how far back does learning reach? The gradient with respect to the memory after each word, as a share of that after the last
# one (lesson 07), and the time that it takes to read more words:

# %%
flow = inspection.gradient_flow(model, x_held_out[:256], y_held_out[:256])["lstm"].hidden  # (time,)
reach = flow / flow[-1]
print("\nwords back    " + "".join(f"{back:8}" for back in (0, 1, 2, 4, 9)))
print("share of dL/dh" + "".join(f"{reach[-1 - back]:8.3f}" for back in (0, 1, 2, 4, 9)))


def milliseconds(steps):
    """To read 64 texts of so many words; the best of several, without the first, which is compiled."""
    texts = np.resize(ids_train, (64, steps)).astype("int32")
    taken = []
    for _ in range(6):
        began = time.perf_counter()
        model.predict_on_batch(texts)
        taken.append(1000 * (time.perf_counter() - began))
    return min(taken[1:])


cost = {steps: milliseconds(steps) for steps in (10, 100)}
print("to read 64 texts of " + ", of ".join(f"{steps} words: {taken:.0f} ms" for steps, taken in cost.items()))

# %% [markdown]
# Three things are said to be hard about recurrent networks, and the course has a number for each:
#
# - **Long sequences.** What lies far back gets little of the gradient, so that little is learned from it: lesson 07 measures it,
#   step by step, and shows what open gates change. Here nine words back are left with the share above.
# - **The cost of recurrence.** Each step waits for the one before it, so that ten times more words take many times longer, however
#   many processors there are. That is why texts are cut into windows. (Networks without recurrence, which look at all words
#   at once, were invented for that.)
# - **Interpretability.** What the network knows lies in numbers that nobody chose. But they can be looked at: gates by word as
#   above, states and gates of one sequence (lesson 10), words as points in the Projector.
#
# ## A sentence in, yes or no out
#
# Where does *binary* cross-entropy belong? To a question with two answers about a whole sentence. Ours: are its words in their right
# order, or have they been shuffled? The last one, mostly a full stop, keeps its place, for it would give the answer away.
#
# The sentences have unequal lengths, and an array has not. They are padded with id 0, and `mask_zero=True` makes the embedding tell
# the LSTM to skip those steps (lesson 10).


# %%
def define_rnn_model(input_size, hidden_size, output_size):
    """A network that reads a sentence and answers questions about it with yes or no.

    input_size is the number of different words: ids come in, (batch, words), and the embedding makes of them the (batch,
    words, features) that an LSTM reads. hidden_size is the number of its memory units. output_size is the number of
    questions, here one; sigmoid makes each answer a probability of its own, and that is what binary cross-entropy is for.
    """
    words = keras.Input((None,), dtype="int32", name="words")
    h = keras.layers.Embedding(input_size, EMBEDDING, mask_zero=True, name="embedding")(words)  # (batch, words, 64)
    h = keras.layers.LSTM(hidden_size, name="lstm")(h)  # (batch, hidden_size)
    answer = keras.layers.Dense(output_size, activation="sigmoid", name="output")(h)  # (batch, output_size)
    defined = keras.Model(words, answer, name="right_order")
    optimizer = keras.optimizers.Adam(SENTENCE_LEARNING_RATE)
    defined.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return defined


generator = np.random.default_rng(settings.seed)


def shuffled(ids):
    """The same words in another order, the last one in its place."""
    while True:
        other = [*generator.permutation(ids[:-1]).tolist(), ids[-1]]
        if other != ids:
            return other


def in_order_or_not(sentences, shuffles):
    """Each sentence as it is and shuffled, as often as asked for: ids (n, LONGEST), answers (n, 1)."""
    rows = [row for ids in sentences for _ in range(shuffles) for row in (ids, shuffled(ids))]
    return data.text.pad(rows, LONGEST), np.tile([1.0, 0.0], len(rows) // 2)[:, np.newaxis]


def usable(sentences):
    """As ids, those that are neither short nor long; of one word only there is no other order."""
    encoded = [vocabulary.encode(sentence) for sentence in sentences if SHORTEST <= len(sentence) <= LONGEST]
    return [ids for ids in encoded if len(set(ids[:-1])) > 1]


max_sentences = SENTENCES // 5 if settings.quick else SENTENCES
held_out_sentences = int(len(sentences) * HELD_OUT * 1.5)
s_train, a_train = in_order_or_not(
    usable(sentences[:-held_out_sentences])[:SENTENCES], shuffles=1 if settings.quick else 2
)
s_new, a_new = in_order_or_not(usable(sentences[-held_out_sentences:])[: SENTENCES // 4], shuffles=1)
order_model = define_rnn_model(input_size=len(vocabulary), hidden_size=SENTENCE_UNITS, output_size=1)
order_model.fit(
    **data.batches(s_train, a_train, batch_size=SENTENCE_BATCH_SIZE, seed=settings.seed, validation=(s_new, a_new)),
    epochs=SENTENCE_EPOCHS,
    verbose=0,
    callbacks=[
        callbacks.LearningCurves(settings.log_dir / "right_order"),
        callbacks.WeightHistograms(settings.log_dir / "right_order"),
    ],
)
answers = order_model.predict(s_new, batch_size=len(s_new), verbose=0)  # (n, 1)
order_accuracy = float(np.mean((answers > 0.5) == (a_new > 0.5)))
right_one_more_likely = float(np.mean(answers[0::2] > answers[1::2]))
print(f"\n{len(s_train):,} sentences to train on, {len(s_new):,} held out, half of them shuffled")
print(f"right answers: {order_accuracy:.1%} (guessing: 50%)")
print(f"of a sentence and its shuffled self the right one is held to be likelier: {right_one_more_likely:.1%}")
example = next(place for place in range(0, len(s_new), 2) if 8 <= np.sum(s_new[place] > 0) <= 14)
for place in (example, example + 1):
    words = vocabulary.decode(s_new[place][s_new[place] > 0])
    print(f"  {answers[place, 0]:.2f}  {data.text.join(words)}")

# %% [markdown]
# ## What to avoid
#
# Programs for this task are passed around that have four mistakes in them. You have met each one:
#
# | mistake | what happens | instead |
# |---|---|---|
# | `brown.raw()` | words with tags glued to them | sentences as lists of words |
# | ids straight into an LSTM | ValueError: it wants three dimensions | `Embedding` between the two |
# | strings in, strings as targets | ValueError: they are no numbers | a vocabulary, ids |
# | binary cross-entropy for the next word | a network that says no to every word is nearly always right | softmax and sparse categorical cross-entropy; binary where the answer is yes or no |
#
# ## Look
#
# - **Text**, `sampled/temperature_0.5`, `..._1` and `..._1.5` of the run `words`: what the network was given, and in bold what it wrote,
#   epoch by epoch. After the first one it strings common words together; which phrases come next, and where do brackets close?
# - **Projector**, `embedding`: search for a word on the right and look at its neighbours. Beside it, `embedding before training`: a cloud.
# - **Time Series**, `epoch_loss`: training and held-out text. exp of it is the perplexity. Where do the two part?
# - **Images**, `gates_picture/lstm`: one window, word by word from left to right. `gradient_flow_picture/lstm`: how much of the
#   gradient gets back to which word. Most of it stays at the last ones, but from epoch to epoch it reaches further back.
# - **Images**, `curves` of the run `right_order`: the accuracy of the second network, on training and held-out sentences.
#
# ## Exercises
#
# 1. Train for twice as many epochs: `--epochs 8`. The training loss keeps falling. And the held-out perplexity?
# 2. Let the bigram read the training text in halves, quarters and eighths (`language.Bigram(ids_train[: len(ids_train) // 2], ...)`).
#    What does its perplexity do, and which weight does it choose? What does that say about a larger text?
# 3. Can the bigram also tell a sentence from its shuffled self? Take the mean of log p over the words of each; the likelier one is
#    the right one. How does it do beside the LSTM?

# %%
lesson.end(
    settings,
    f"perplexity on held-out text, {len(vocabulary):,} words in the vocabulary: unigram {unigram_perplexity:.0f}, bigram "
    f"{bigram_perplexity:.0f}, LSTM {lstm_perplexity:.0f} after {settings.epochs} epochs",
    f"with the last word alone as it was, the LSTM has {by_words_kept[1]:.0f}, with the last two {by_words_kept[2]:.0f}, with all "
    f"{WINDOW} {by_words_kept[WINDOW]:.0f}",
    f"its forget gate keeps {gate_of[ordered[0]]:.0%} at '{ordered[0]}' and {gate_of[ordered[-1]]:.0%} at '{ordered[-1]}'",
    f"nine words back are left with {reach[0]:.1%} of the gradient; ten times more words take {cost[100] / cost[10]:.1f} times longer",
    f"right order or shuffled: {order_accuracy:.1%} right on held-out sentences; guessing is 50%",
)
