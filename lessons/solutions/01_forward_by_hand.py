# %% [markdown]
"""Solutions to 01 · A recurrent cell by hand

**What you will see:** what a recurrent cell can do without its memory, and what it cannot; and which letters of a word hear
anything of a mistake at its end.

**Takes** about 10 seconds.
"""

# %%
from rnn_tutorial import lesson

STEPS_OF_TRAINING = 1000
LEARNING_RATE = 0.1
UNITS = 3
NETWORKS = 200  # that exercise 2 looks at

settings = lesson.start("solutions/01_forward_by_hand", epochs=STEPS_OF_TRAINING, quick_epochs=600)

import numpy as np

from rnn_tutorial import data

# %% [markdown]
# The cell of the lesson once more, its way there and back in one function. New is `scored`: the steps whose answers count.


# %%
def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def gradients(word, right, weights, scored=None):
    """The loss, the answers (time, letters), and the gradients in the order of the weights."""
    W_xh, W_hh, b_h, W_hy, b_y = weights
    hs, ys = [np.zeros(UNITS)], []
    for x in word:
        hs.append(np.tanh(x @ W_xh + hs[-1] @ W_hh + b_h))
        ys.append(softmax(hs[-1] @ W_hy + b_y))
    found, loss, from_later = [np.zeros_like(weight) for weight in weights], 0.0, np.zeros(UNITS)
    for t in reversed(range(len(word))):
        d_logits = np.zeros(len(b_y))
        if scored is None or t in scored:
            d_logits = ys[t] - np.eye(len(b_y))[right[t]]
            loss -= np.log(ys[t][right[t]])
        d_sum = (d_logits @ W_hy.T + from_later) * (1 - hs[t + 1] ** 2)
        parts = np.outer(word[t], d_sum), np.outer(hs[t], d_sum), d_sum, np.outer(hs[t + 1], d_logits), d_logits
        found = [gradient + part for gradient, part in zip(found, parts, strict=True)]
        from_later = d_sum @ W_hh.T
    return loss, np.array(ys), found


def first_weights(letters, seed):
    generator = np.random.default_rng(seed)
    shapes = (letters, UNITS), (UNITS, UNITS), (UNITS,), (UNITS, letters), (letters,)
    return [generator.normal(scale=0.5, size=shape) for shape in shapes]


def train(text, following, with_memory, seed):
    """Train by hand; the loss and the answers in the end. Without memory W_hh is 0 and stays 0."""
    alphabet = data.letters.alphabet_of(text)
    word, right = alphabet.one_hot(alphabet.encode(text)), alphabet.encode(following)
    weights = first_weights(len(alphabet), seed)
    weights[1] *= with_memory
    for _ in range(settings.epochs):
        found = gradients(word, right, weights)[2]
        found[1] *= with_memory
        weights = [weight - LEARNING_RATE * gradient for weight, gradient in zip(weights, found, strict=True)]
    loss, ys, _ = gradients(word, right, weights)
    return loss, alphabet.decode(ys.argmax(axis=1)), ys


seeds = [settings.seed + number for number in range(3)]

# %% [markdown]
# ## Exercise 1
#
# *Hold `W_hh` at 0 and train. Does `abcde -> bcdea` still work?*

# %%
abcde = {memory: [train("abcde", "bcdea", memory, seed) for seed in seeds] for memory in (True, False)}
print("abcde -> bcdea      loss and answers, each seed")
for memory, runs in abcde.items():
    print(f"{'with W_hh' if memory else 'W_hh = 0':18}" + "   ".join(f"{run[0]:.3f} {run[1]}" for run in runs))
assert all(answers == "bcdea" for runs in abcde.values() for _, answers, _ in runs)

# %% [markdown]
# It does, and as well as before. In this word each letter is followed by one certain letter, so that the letter that is being read says
# all there is to know. A task that can be solved does not prove that the network remembers.
#
# ## Exercise 2
#
# *Score the last step only, and look at the rows of `d_W_xh`, one for each letter. Which are small?*
#
# One untrained network is an accident, so we take many and print the medians of the rows' norms.

# %%
alphabet = data.letters.Alphabet("abcde")
word, right = alphabet.one_hot(alphabet.encode("abcde")), alphabet.encode("bcdea")


def rows(seed, scored):
    """The norm of each row of d_W_xh, (letters,)."""
    return np.linalg.norm(gradients(word, right, first_weights(5, seed), scored)[2][0], axis=1)


last_only, all_steps = (
    np.median([rows(settings.seed + number, scored) for number in range(NETWORKS)], axis=0) for scored in ({4}, None)
)
print(f"\nnorms of the rows of d_W_xh, medians of {NETWORKS} networks")
print("row of           " + "".join(f"{letter:>8}" for letter in "abcde"))
print("last step scored " + "".join(f"{norm:8.3f}" for norm in last_only))
print("all steps scored " + "".join(f"{norm:8.3f}" for norm in all_steps))
assert (np.diff(last_only) > 0).all()
assert last_only[0] < 0.4 * last_only[-1]
assert all_steps[0] > 0.8 * all_steps[-1]

# %% [markdown]
# That of `a` is the smallest, and each letter that was read later has a larger one. Each letter occurs once, so that its row hears of its own
# step only. What the last answer has to say reaches `a` over four steps, through `W_hh` and through the slope of tanh four times. Where every
# step is scored, each row hears from the answer right above it.
#
# ## Exercise 3
#
# *The word `aabab` with the targets `ababa`. How small does the loss get, and how small with `W_hh = 0`?*
#
# Without memory the answer to every `a` is the same. Of the three `a`, one is followed by `a` and two by `b`, and no answer can do better
# than to say so, 1/3 and 2/3. That costs `-log 1/3 - 2 log 2/3`, and the `b` need cost nothing.

# %%
least = -np.log(1 / 3) - 2 * np.log(2 / 3)
aabab = {memory: [train("aabab", "ababa", memory, seed) for seed in seeds] for memory in (True, False)}
print("\naabab -> ababa      loss and answers, each seed")
for memory, runs in aabab.items():
    print(f"{'with W_hh' if memory else 'W_hh = 0':18}" + "   ".join(f"{run[0]:.3f} {run[1]}" for run in runs))
after_a = aabab[False][0][2][0]  # (letters,), the same after every a
print(f"the least without memory is {least:.3f}; W_hh = 0 says after a: a {after_a[0]:.2f}, b {after_a[1]:.2f}")
assert all(least < loss < least + 0.1 for loss, _, _ in aabab[False])
assert all(loss < 0.5 and answers == "ababa" for loss, answers, _ in aabab[True])

# %% [markdown]
# With memory the loss goes to zero: the first `a` finds an empty memory, and the others do not. Without, it stops at the number that we
# computed beforehand. A loss that does not go to zero need not mean that training is bad: it can mean that the network lacks something
# that the task needs.

# %%
lesson.end(
    settings,
    f"1: abcde -> bcdea with W_hh = 0: {abcde[False][0][1]}, loss {abcde[False][0][0]:.3f} "
    f"(with W_hh {abcde[True][0][0]:.3f}); it needs no memory",
    f"2: last step scored, the row of a is {last_only[0] / last_only[-1]:.2f} of that of e; all scored, "
    f"{all_steps[0] / all_steps[-1]:.2f}",
    f"3: aabab -> ababa costs {aabab[True][0][0]:.3f} with memory and {aabab[False][0][0]:.3f} without; {least:.3f} is the least",
)
