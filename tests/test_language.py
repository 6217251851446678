"""Perplexity, baselines, and what is sampled, against computations by hand."""

import gc
import weakref

import keras
import numpy as np
import pytest

from rnn_tutorial import callbacks, data, language, models
from rnn_tutorial.data import text

_RANDOM = np.random.default_rng(0)
IDS = _RANDOM.integers(2, 9, size=400)
X, Y = text.windows(IDS, 3)


def table(probabilities):
    """A language model that looks up its answer by the last word."""
    probabilities = np.asarray(probabilities, dtype=float)
    return lambda x: probabilities[np.asarray(x)[:, -1]]


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    return models.word_predictor(vocabulary_size=9, embedding=4, units=5)


# Perplexity


def test_perplexity_by_hand():
    model = table([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [1 / 3, 1 / 3, 1 / 3]])
    x, y = np.array([[2, 0], [0, 1], [1, 2], [1, 0]]), np.array([1, 2, 0, 0])
    # The probabilities of the words that came: 0.3, 0.8, 1/3, 0.5; the geometric mean of their inverses.
    assert language.perplexity(model, x, y) == pytest.approx((1 / (0.3 * 0.8 / 3 * 0.5)) ** (1 / 4), rel=1e-12)


def test_perplexity_of_a_network_is_the_exponential_of_its_loss(network):
    network.compile("sgd", "sparse_categorical_crossentropy")
    x, y = text.windows(np.resize(IDS, 1200), 3)  # more than one chunk, the last one not full
    assert language.perplexity(network, x, y) == pytest.approx(np.exp(network.evaluate(x, y, verbose=0)), rel=1e-4)


@pytest.mark.parametrize("size", [9, 10_000])
def test_a_uniform_network_has_the_size_of_its_vocabulary(size):
    model = models.word_predictor(vocabulary_size=size, embedding=2, units=2)
    output = model.get_layer("output")
    output.set_weights([np.zeros_like(weight) for weight in output.get_weights()])
    assert language.perplexity(model, X, Y) == pytest.approx(size, rel=1e-5)


def test_an_impossible_word_makes_it_infinite():
    assert language.perplexity(table(np.eye(9)), X, Y) == float("inf")


def test_what_perplexity_refuses():
    uniform = table(np.full((9, 9), 1 / 9))
    for x, y in ((X, Y[:-1]), (X[:, 0], Y), (X[:0], Y[:0])):
        with pytest.raises(ValueError, match=r"x and y must be ids \(n, window\) and \(n,\)"):
            language.perplexity(uniform, x, y)
    with pytest.raises(ValueError, match="y must hold integers, received float64"):
        language.perplexity(uniform, X, Y.astype(float))
    with pytest.raises(ValueError, match=r"y must hold ids in 0 .. 4, received 2 .. 8"):
        language.perplexity(lambda x: np.full((len(x), 5), 0.2), X, Y)
    with pytest.raises(ValueError, match=r"numbers that do not sum to 1 .* end it with softmax"):
        language.perplexity(lambda x: np.ones((len(x), 9)), X, Y)
    with pytest.raises(ValueError, match=r"model must give probabilities \(n, vocabulary\), received"):
        language.perplexity(lambda x: np.full((len(x), 3, 9), 1 / 9), X, Y)


# Baselines


def test_unigram_by_hand():
    unigram = language.Unigram([0, 1, 1, 2, 1], vocabulary_size=4)
    np.testing.assert_allclose(unigram.probabilities, np.array([2, 4, 2, 1]) / 9)
    assert unigram(X[:3]).tolist() == [unigram.probabilities.tolist()] * 3


def test_bigram_by_hand():
    # Pairs: 0-1 twice, 0-2, 1-0 twice, 2-0. Counts, plus one of each: 0: 4, 1: 3, 2: 2, 3: 1, of 10.
    bigram = language.Bigram([0, 1, 0, 1, 0, 2, 0], vocabulary_size=4, weight=0.5)
    unigram = np.array([5, 3, 2, 1]) / 11
    np.testing.assert_allclose(bigram.unigram.probabilities, unigram)
    after_0 = 0.5 * np.array([0, 2, 1, 0]) / 3 + 0.5 * unigram
    np.testing.assert_allclose(bigram(np.array([[3, 0], [1, 3]])), [after_0, unigram])  # nothing ever came after 3
    np.testing.assert_allclose(bigram.likelihood(np.array([[3, 0], [1, 3]]), np.array([1, 2])), [after_0[1], 2 / 11])


@pytest.mark.parametrize("weight", [None, 0, 0.3, 1])
def test_distributions_sum_to_one_and_agree_with_the_likelihoods(weight):
    """After every word, also one that the training text does not have or ends with."""
    ids = np.append(IDS[:200], 11)
    bigram = language.Bigram(ids, vocabulary_size=12, weight=weight)
    for model in (bigram, bigram.unigram):
        x = np.arange(12)[:, np.newaxis]
        probabilities = model(x)  # (12, 12)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
        for y in range(12):
            np.testing.assert_allclose(model.likelihood(x, np.full(12, y)), probabilities[:, y], rtol=1e-12)
    held_out = text.windows(np.arange(12), 1)
    assert np.isfinite(language.perplexity(bigram.unigram, *held_out))
    assert weight == 1 or np.isfinite(language.perplexity(bigram, *held_out))


def test_the_weight_is_the_best_one_for_the_end_of_the_training_text():
    generator = np.random.default_rng(3)
    steps = np.where(generator.random(3000) < 0.8, 1, generator.integers(0, 20, 3000))
    ids = np.cumsum(steps) % 20  # mostly the next word, sometimes any
    bigram = language.Bigram(ids, 20)
    start = language.Bigram(ids[:2700], 20, weight=0).unigram
    assert start.vocabulary_size == 20
    x, y = text.windows(ids[2699:], 1)
    tried = {weight: language.perplexity(language.Bigram(ids[:2700], 20, weight), x, y) for weight in language.WEIGHTS}
    assert bigram.weight == min(tried, key=tried.get)
    # Pairs without any meaning get hardly any weight.
    assert language.Bigram(generator.integers(0, 200, 3000), 200).weight <= 0.15 < 0.7 <= bigram.weight


def test_what_baselines_refuse():
    with pytest.raises(ValueError, match=r"ids must hold ids in 0 .. 4, received 2 .. 8"):
        language.Unigram(IDS, 5)
    with pytest.raises(ValueError, match="ids must be integers"):
        language.Unigram([], 5)
    with pytest.raises(ValueError, match="ids must be at least 20, received 5"):
        language.Bigram(IDS[:5], 9)
    for wrong in (-0.1, 1.1, "half", True):
        with pytest.raises(ValueError, match="weight must be None or a number between 0 and 1, received"):
            language.Bigram(IDS, 9, weight=wrong)
    with pytest.raises(ValueError, match=r"x must hold ids in 0 .. 8, received 9 .. 9"):
        language.Bigram(IDS, 9)(np.array([[9]]))


# Sampling

PROBABILITIES = np.array([0.3, 0.2, 0.05, 0.25, 0.15, 0.05])
SAME = table(np.tile(PROBABILITIES, (6, 1)))


def shares(temperature, never=(0, 1), count=4000):
    ids = language.sample(SAME, [2], count, temperature, seed=1, never=never)
    return np.bincount(ids, minlength=6) / count


@pytest.mark.parametrize("temperature", [0, 1e-9, 0.001])
def test_near_zero_it_is_the_most_probable_word(temperature):
    assert language.sample(SAME, [2], 50, temperature, seed=5) == [3] * 50  # of those that may be drawn


def test_at_zero_the_first_of_equals():
    equal = table(np.full((6, 6), 1 / 6))
    assert language.sample(equal, [2], 5, 0) == [2] * 5


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_drawn_as_often_as_the_heated_probabilities_say(temperature):
    expected = PROBABILITIES ** (1 / temperature)
    np.testing.assert_allclose(shares(temperature, never=()), expected / expected.sum(), atol=0.03)
    expected[:2] = 0
    np.testing.assert_allclose(shares(temperature), expected / expected.sum(), atol=0.03)


def test_a_high_temperature_is_near_uniform():
    np.testing.assert_allclose(shares(1e6), [0, 0, 0.25, 0.25, 0.25, 0.25], atol=0.03)


def test_padding_and_the_unknown_word_are_never_drawn(network):
    for temperature in (0, 1.0, 100.0):
        ids = language.sample(network, IDS[:3], 60, temperature, seed=3)
        assert len(ids) == 60
        assert min(ids) >= 2
        assert max(ids) < 9
    assert all(type(number) is int for number in ids)


def test_the_seed_decides_and_nobody_elses_random_numbers_move(network):
    def drawn_after(work):
        keras.utils.clear_session()  # Some versions of Keras go on drawing from where they were.
        keras.utils.set_random_seed(4)
        result = work()
        return result, (np.random.random(), float(keras.random.uniform(())))

    _, expected = drawn_after(lambda: None)
    first, drawn = drawn_after(lambda: language.sample(network, IDS[:3], 30, seed=1))
    assert drawn == expected
    assert first == language.sample(network, IDS[:3], 30, seed=1) != language.sample(network, IDS[:3], 30, seed=2)


@pytest.mark.parametrize(("window", "lengths"), [(None, [2, 2, 2, 2]), (3, [2, 3, 3, 3]), (1, [1, 1, 1, 1])])
def test_what_the_model_reads(window, lengths):
    read = []

    def model(x):
        read.append(x[0].tolist())
        return SAME(x)

    ids = language.sample(model, [4, 5], 4, seed=1, window=window)
    assert [len(words) for words in read] == lengths
    everything = [4, 5, *ids]
    assert read == [everything[max(0, 2 + n - length) : 2 + n] for n, length in enumerate(lengths)]


def test_sampled_words_are_those_of_the_network_itself(network):
    ids = language.sample(network, IDS[:3], 10, temperature=0)
    expected = IDS[:3].tolist()
    for _ in range(10):
        probabilities = keras.ops.convert_to_numpy(network(np.array([expected[-3:]])))[0]
        expected.append(int(probabilities[2:].argmax()) + 2)
    assert ids == expected[3:]


def test_what_sample_refuses():
    for argument, wrong in (("temperature", -1), ("temperature", float("nan")), ("temperature", "hot")):
        with pytest.raises(ValueError, match="temperature must be a finite number of at least 0, received"):
            language.sample(SAME, [2], 3, **{argument: wrong})
    with pytest.raises(ValueError, match="count must be an integer of at least 1, received 0"):
        language.sample(SAME, [2], 0)
    with pytest.raises(ValueError, match="seed must be an integer of at least 0, received -1"):
        language.sample(SAME, [2], 3, seed=-1)
    with pytest.raises(ValueError, match="prompt must be integers"):
        language.sample(SAME, [], 3)
    with pytest.raises(ValueError, match="never must leave a word"):
        language.sample(SAME, [2], 3, never=range(6))
    with pytest.raises(ValueError, match=r"never must hold ids in 0 .. 5"):
        language.sample(SAME, [2], 3, never=(6,))


def test_a_stateful_network_and_its_dropout_stay_as_they_are():
    keras.utils.set_random_seed(1)
    ids = keras.Input(batch_shape=(1, 3), dtype="int32")
    h = keras.layers.Embedding(9, 4)(ids)
    h = keras.layers.LSTM(5, stateful=True, dropout=0.5)(h)
    model = keras.Model(ids, keras.layers.Dense(9, activation="softmax")(keras.layers.Dropout(0.5)(h)))
    before = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    assert language.sample(model, IDS[:3], 5, seed=1) == language.sample(model, IDS[:3], 5, seed=1)
    for one, other in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(one, keras.ops.convert_to_numpy(other))


def test_new_weights_are_seen_and_the_model_is_let_go():
    model = models.word_predictor(vocabulary_size=9, embedding=2, units=2)
    first = language.perplexity(model, X, Y)
    model.set_weights([3 * weight for weight in model.get_weights()])
    assert language.perplexity(model, X, Y) != first
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_ten_thousand_classes_learn_without_one_hot_targets():
    """Ids in, ids out: after one small epoch the network knows which few of the words ever come."""
    size = 10_000
    ids = np.random.default_rng(1).choice(np.arange(2, size, 500), size=1500)
    vocabulary_seen = len(set(ids.tolist()))
    x, y = text.windows(ids, 5)
    assert (x.shape, y.shape, y.dtype) == ((1495, 5), (1495,), np.int32)
    assert x.nbytes + y.nbytes < 50_000
    keras.utils.set_random_seed(1)
    model = models.word_predictor(vocabulary_size=size, embedding=8, units=16)
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    assert language.perplexity(model, x, y) == pytest.approx(size, rel=0.01)
    model.fit(**data.batches(x, y, batch_size=64, seed=1), epochs=1, verbose=0)
    assert vocabulary_seen * 0.8 < language.perplexity(model, x, y) < size / 10


# The callback

VOCABULARY = text.Vocabulary(["the"] * 9 + ["<code>"] * 8 + ["__init__"] * 7 + ["a*b*c"] * 6 + [".", "."], size=7)


def small(size=7, **options):
    keras.utils.set_random_seed(1)
    ids = keras.Input((None,), dtype="int32", name="ids")
    h = keras.layers.Embedding(size, 4, name="embedding")(ids)
    h = keras.layers.LSTM(5, dropout=0.3, name="lstm")(h)
    output = keras.layers.Dense(size, activation="softmax", name="output")(keras.layers.Dropout(0.4)(h))
    model = keras.Model(ids, output)
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    return model


def fit(model, watching=(), epochs=3):
    x, y = text.windows(IDS[:100] % 7, 3)
    return model.fit(x, y, batch_size=16, epochs=epochs, verbose=0, callbacks=list(watching))


def test_sampled_text_at_every_epoch_that_is_due(tmp_path, read_values, our_event_file):
    watch = callbacks.SampledText(tmp_path / "run", [2, 3, 4], VOCABULARY, temperatures=(0.5, 1, 1.5), count=6, every=2)
    model = small()
    fit(model, [watch])
    found = read_values(our_event_file(tmp_path / "run"))
    assert set(found) == {"text"}
    assert set(found["text"]) == {f"sampled/temperature_{name}" for name in ("0.5", "1", "1.5")}
    assert all(set(steps) == {0, 2} for steps in found["text"].values())
    for name, temperature in (("0.5", 0.5), ("1.5", 1.5)):
        last = found["text"][f"sampled/temperature_{name}"][2]
        drawn = VOCABULARY.decode(language.sample(model, [2, 3, 4], 6, temperature, seed=0))
        shown = last.item().decode().replace("\\", "").replace("&lt;", "<").replace("&gt;", ">")
        assert shown == f"... the <code> __init__ **{text.join(drawn)}**"


def test_the_text_tab_shows_the_words_as_they_are(tmp_path, read_values, our_event_file, recorded_warnings):
    """Through TensorBoard's own way from Markdown to HTML: `<code>` is no tag and `__init__` is not bold."""
    import html
    import re

    with recorded_warnings():  # what TensorBoard brings along is out of date
        from tensorboard import plugin_util

    prompts = [[3, 4, 5], [2, 1, 6]]
    fit(small(), [callbacks.SampledText(tmp_path / "run", prompts, VOCABULARY, 1.0, count=30)], epochs=1)
    markdown = read_values(our_event_file(tmp_path / "run"))["text"]["sampled/temperature_1"][0].item()
    page = plugin_util.markdown_to_safe_html(markdown.decode())
    paragraphs = re.findall(r"<p>(.*?)</p>", page, re.DOTALL)
    assert len(paragraphs) == 2
    assert [paragraph.count("<strong>") for paragraph in paragraphs] == [1, 1]
    assert not re.search(r"<(?!/?(p|strong)>)", page)
    shown = [html.unescape(re.sub(r"</?strong>", "", paragraph)) for paragraph in paragraphs]
    assert shown[0].startswith("... <code> __init__ a*b*c ")
    assert shown[1].startswith("... the <unknown>. ")
    allowed = {"...", *VOCABULARY.words}
    assert {word for paragraph in shown for word in paragraph.replace(".", " . ").split()} <= {*allowed, "."}


def test_training_does_not_notice(tmp_path):
    histories = []
    for watching in ((), [callbacks.SampledText(tmp_path / "run", [2, 3, 4], VOCABULARY, count=5)]):
        model = small()
        losses = fit(model, watching).history["loss"]
        variables = [keras.ops.convert_to_numpy(v).tobytes() for v in model.variables]
        optimizer = [keras.ops.convert_to_numpy(v).tobytes() for v in model.optimizer.variables]
        histories.append((losses, variables, optimizer, np.random.random()))
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": []}, r"prompt must be ids of words, \(words,\) or \(texts, words\), at least one"),
        ({"prompt": "the"}, "prompt must be ids of words"),
        ({"prompt": [2, 7]}, r"prompt must hold ids in 0 .. 6, received 2 .. 7"),
        ({"vocabulary": ["a", "b"]}, "vocabulary must be a data.text.Vocabulary, received list"),
        ({"temperatures": ()}, "temperatures must not be empty"),
        ({"temperatures": (1, -1)}, "each of temperatures must be a finite number of at least 0, received -1"),
        ({"count": 0}, "count must be an integer of at least 1, received 0"),
        ({"seed": None}, "seed must be an integer of at least 0, received None"),
        ({"every": 0}, "every must be an integer of at least 1, received 0"),
        ({"log_dir": ""}, "log_dir must be the path of a folder"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_the_callback_refuses(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        callbacks.SampledText(**{"log_dir": tmp_path, "prompt": [2, 3], "vocabulary": VOCABULARY, **options})


def test_a_model_with_another_vocabulary_is_told_before_training(tmp_path):
    model = small(size=9)
    with pytest.raises(ValueError, match=r"vocabulary has 7 words, so that the model must give \(batch, 7\)"):
        fit(model, [callbacks.SampledText(tmp_path / "run", [2, 3], VOCABULARY)])
    assert not (tmp_path / "run").exists()


def test_a_failure_is_one_warning_and_training_goes_on(tmp_path, monkeypatch, recorded_warnings):
    def fail(*arguments, **options):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(language, "sample", fail)
    model = small()
    with recorded_warnings() as caught:
        history = fit(model, [callbacks.SampledText(tmp_path / "run", [2, 3], VOCABULARY)])
    assert len(history.epoch) == 3
    (warning,) = [str(one.message) for one in caught if one.category is RuntimeWarning]
    assert "SampledText stops looking: ZeroDivisionError" in warning
