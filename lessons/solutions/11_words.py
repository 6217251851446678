# %% [markdown]
"""Solutions to 11 · Words

**What you will see:** where training longer stops to help, what a bigram makes of more text, and that counting pairs also tells
a sentence from its shuffled self.

**Takes** about 40 seconds.
"""

# %%
from rnn_tutorial import lesson

EPOCHS = 8
LEARNING_RATE = 0.01
BATCH_SIZE = 256
WINDOW = 10
HELD_OUT = 0.1
SHORTEST, LONGEST = 5, 30

settings = lesson.start("solutions/11_words", epochs=EPOCHS, quick_epochs=2)

import keras
import numpy as np

from rnn_tutorial import callbacks, data, language, models

keras.utils.set_random_seed(settings.seed)
# The text that is there on every machine, so that the numbers below can be compared.
sentences = data.text.sentences("python")
text = [word for sentence in sentences for word in sentence]
cut = int(len(text) * (1 - HELD_OUT))
vocabulary = data.text.Vocabulary(text[:cut])
ids_train, ids_held_out = np.array(vocabulary.encode(text[:cut])), np.array(vocabulary.encode(text[cut:]))
x, y = data.text.windows(ids_train, WINDOW)
x_held_out, y_held_out = data.text.windows(ids_held_out, WINDOW)

# %% [markdown]
# ## Exercise 1
#
# *Train for twice as many epochs: `--epochs 8`. The training loss keeps falling. And the held-out perplexity?*

# %%
step = 6 if settings.quick else 1
model = models.word_predictor(vocabulary_size=len(vocabulary), embedding=64, units=(128,))
model.compile(keras.optimizers.Adam(LEARNING_RATE), loss="sparse_categorical_crossentropy")
history = model.fit(
    **data.batches(
        x[::step], y[::step], batch_size=BATCH_SIZE, seed=settings.seed, validation=(x_held_out, y_held_out)
    ),
    epochs=settings.epochs,
    verbose=0,
    callbacks=[callbacks.LearningCurves(settings.log_dir / "longer")],
).history
training, held_out = np.exp(history["loss"]), np.exp(history["val_loss"])
print("\nepoch   training   held out")
for epoch, values in enumerate(zip(training, held_out, strict=True)):
    print(f"{epoch:5} {values[0]:10.1f} {values[1]:10.1f}")
best = int(held_out.argmin())
assert training[-1] < training[0]
print(
    f"The held-out text is predicted best after epoch {best}: {held_out[best]:.1f}; at the end it is {held_out[-1]:.1f}."
)

if best < settings.epochs - 1:
    print("What was learned after that is true of the training text only.")
else:
    print("It still gets better: so many epochs are not too many yet.")

# %% [markdown]
# On the training text the perplexity falls from epoch to epoch: the network begins to learn it by heart. Where the held-out perplexity
# stops falling, training longer does harm. That is *overfitting*, and one stops before it:
# `keras.callbacks.EarlyStopping(restore_best_weights=True)`.
#
# ## Exercise 2
#
# *Let the bigram read the training text in halves, quarters and eighths. What does its perplexity do, and which weight does it choose? What
# does that say about a larger text?*

# %%
parts = {}
print("\npart of the training text   words   weight   unigram   bigram")
for part in (8, 4, 2, 1):
    ids = ids_train[: len(ids_train) // part]
    bigram = language.Bigram(ids, len(vocabulary))
    parts[part] = tuple(language.perplexity(one, x_held_out, y_held_out) for one in (bigram.unigram, bigram))
    print(f"1/{part:<24} {len(ids):7,} {bigram.weight:8.2f} {parts[part][0]:9.1f} {parts[part][1]:8.1f}")
assert parts[1][1] < parts[8][1]

# %% [markdown]
# The more text, the better, and the end of that is not in sight. The unigram gains too, but the bigram gains more: with more
# text, more of the pairs that will come have been seen before, and with all of it they are given more weight.
#
# ## Exercise 3
#
# *Can the bigram also tell a sentence from its shuffled self? Take the mean of log p over the words of each; the likelier one is the right one.
# How does it do beside the LSTM?*
#
# For each sentence the mean of log p(word | the one before). Of the two orders the likelier one should be the right one. To
# answer yes or no about one sentence alone, we need a limit: half way between the means of training sentences in order and
# shuffled. The pairs of those sentences have been counted, so for the limit the bigram gets to see one half of the text only.

# %%
generator = np.random.default_rng(settings.seed)


def usable(sentences):
    encoded = [vocabulary.encode(sentence) for sentence in sentences if SHORTEST <= len(sentence) <= LONGEST]
    return [ids for ids in encoded if len(set(ids[:-1])) > 1]


def shuffled(ids):
    while True:
        other = [*generator.permutation(ids[:-1]).tolist(), ids[-1]]
        if other != ids:
            return other


def mean_log(model, ids):
    x, y = data.text.windows(ids, 1)
    return float(np.log(model.likelihood(x, y)).mean())


def both_ways(model, sentences):
    """Mean log p of each sentence as it is, and shuffled, two arrays (sentences,)."""
    scores = [(mean_log(model, ids), mean_log(model, shuffled(ids))) for ids in sentences]
    return tuple(np.array(scores).T)


held_out_sentences = int(len(sentences) * HELD_OUT * 1.5)
train_sentences, new_sentences = sentences[:-held_out_sentences], sentences[-held_out_sentences:]
half = len(train_sentences) // 2


def bigram_of(sentences):
    return language.Bigram(vocabulary.encode([word for one in sentences for word in one]), len(vocabulary))


limit = np.mean(both_ways(bigram_of(train_sentences[:half]), usable(train_sentences[half:])))
in_order, out_of_order = both_ways(bigram_of(train_sentences), usable(new_sentences))
likelier = float(np.mean(in_order > out_of_order))
accuracy = float((np.mean(in_order > limit) + np.mean(out_of_order <= limit)) / 2)
print(f"\n{len(in_order)} held-out sentences: the right order is likelier in {likelier:.1%}")
print(f"yes or no, with the limit {limit:.2f}: {accuracy:.1%} right (guessing: 50%)")
assert likelier > 0.8

# %% [markdown]
# Of two orders, counting pairs finds the right one more often than the network of the lesson does (the lesson prints both of its
# numbers): word order is mostly a matter of neighbours, and those the bigram has counted. The question about one sentence alone is
# harder, because a sentence of rare words is unlikely in any order. There the two are about as good.

# %%
lesson.end(
    settings,
    f"1: held-out perplexity is best after epoch {best}, {held_out[best]:.0f}; after {settings.epochs} epochs it is "
    f"{held_out[-1]:.0f}, that of the training text {training[-1]:.0f}",
    f"2: bigram with an eighth of the text {parts[8][1]:.0f}, with all of it {parts[1][1]:.0f}",
    f"3: a sentence is likelier than its shuffled self in {likelier:.0%}, and yes or no is right in {accuracy:.0%}",
)
