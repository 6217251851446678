"""A real TensorBoard on the logs of a real lesson, asked over HTTP and looked at in a real browser."""

import json
import pathlib
import shutil
import sys
import urllib.parse
import urllib.request

import keras
import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from rnn_tutorial import callbacks, data, drawing, forecasting, models, recording

SCREENSHOTS = pathlib.Path(__file__).parent.parent / "build" / "screenshots"
TRAINING = "02_next_letter/training"
FORECASTER = "sales/training"


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Not all the lessons': TensorBoard shows none of more than 40 runs before they are chosen."""
    return tmp_path_factory.mktemp("tensorboard")


@pytest.fixture(scope="module")
def tensorboard(lesson, logs, serve):
    """Address of a TensorBoard on a lesson's logs, a forecast, an embedding, and two runs with hyperparameters."""
    _, folder = lesson("02_next_letter")
    shutil.copytree(folder, logs / folder.name)
    keras.utils.set_random_seed(0)
    forecaster = models.sales_forecaster(window=4)
    forecaster.compile("adam", "mse")
    months = data.sales.TWELVE_MONTHS
    forecaster.fit(
        *data.sales.windows(months, 4), verbose=0, callbacks=callbacks.observe(logs / FORECASTER, pictures=False)
    )
    with recording.Run(logs / "sales" / "forecast") as run:
        run.image("forecast", drawing.png(drawing.forecast(months, forecasting.baselines(months, 3))), 0)
    letters_in_the_projector(logs / "letters")
    for cell, error in (("lstm", 0.125), ("gru", 0.0625)):
        with recording.Run(logs / "race" / cell) as run:
            run.hparams({"cell": cell, "timesteps": 25})
            run.scalar("error", error, 0)
            run.text("verse", f"the {cell} remembers", 0)

    def command(port):
        module = [sys.executable, "-m", "tensorboard.main"]
        return [*module, "--logdir", str(logs), "--host", "127.0.0.1", "--port", str(port), "--load_fast=false"]

    address = serve(command, "/data/environment")

    def loaded():
        # A run is there before what it holds is.
        tags = {kind: ask(address, f"/data/plugin/{kind}/tags") for kind in ("scalars", "histograms", "images")}
        drawn = tags["images"].get(TRAINING, {})
        return (
            {TRAINING, f"{TRAINING}/train"} <= set(tags["scalars"])
            and "sales/forecast" in tags["images"]
            and TRAINING in tags["histograms"]
            and {"curves", "diagram/model", "states_picture/simple_rnn", "weights_picture/output"} <= set(drawn)
            and FORECASTER in ask(address, "/data/plugin/graphs/info")
        )

    wait_for(loaded)
    return address


def letters_in_the_projector(folder):
    x, y = data.letters.pairs("abcde", window=2, one_hot=False)
    model = models.letter_predictor(5, timesteps=2, embedding=3)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=1, verbose=0, callbacks=[callbacks.EmbeddingProjector(folder, list("abcde"))])


def ask(address, path, **query):
    """The JSON that a route of TensorBoard answers, or bytes where it is something else."""
    url = f"{address}{path}?{urllib.parse.urlencode(query)}" if query else f"{address}{path}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        content = answer.read()
        return json.loads(content) if "json" in answer.headers["Content-Type"] else content


def wait_for(condition, seconds=60):
    WebDriverWait(None, seconds, poll_frequency=0.2).until(lambda _: condition())


def test_scalars(tensorboard, lesson):
    v, _ = lesson("02_next_letter")
    run = f"{TRAINING}/train"
    tags = ask(tensorboard, "/data/plugin/scalars/tags")
    assert set(tags[run]) >= {"epoch_loss", "epoch_sparse_categorical_accuracy", "epoch_learning_rate"}
    assert {"gradient_norm/global", "spectral_radius/simple_rnn", "gradient_flow_ratio/simple_rnn"} <= set(
        tags[TRAINING]
    )
    points = ask(tensorboard, "/data/plugin/scalars/scalars", run=run, tag="epoch_loss")
    assert [step for _, step, _ in points] == list(range(v["settings"].epochs))
    np.testing.assert_allclose([value for _, _, value in points], v["losses"], rtol=1e-6)


def test_histograms(tensorboard, lesson):
    v, _ = lesson("02_next_letter")
    tags = ask(tensorboard, "/data/plugin/histograms/tags")
    weights = [f"simple_rnn/{name}" for name in ("kernel", "recurrent_kernel", "bias")] + [
        "output/kernel",
        "output/bias",
    ]
    assert set(tags[TRAINING]) == {f"{kind}/{name}" for kind in ("weights", "gradients") for name in weights}
    tag = "weights/simple_rnn/kernel"
    _, step, buckets = ask(tensorboard, "/data/plugin/histograms/histograms", run=TRAINING, tag=tag)[-1]
    kernel = v["model"].get_weights()[0]
    assert step == v["settings"].epochs - 1
    assert sum(count for _, _, count in buckets) == kernel.size == 15
    assert buckets[0][0] == pytest.approx(kernel.min())
    assert buckets[-1][1] == pytest.approx(kernel.max())


def test_images(tensorboard):
    tags = ask(tensorboard, "/data/plugin/images/tags")
    pictures = {f"{kind}_picture/simple_rnn" for kind in ("gradient_flow", "states", "weights")}
    pictures |= {"weights_picture/output", "curves", "diagram/model", "diagram/unrolled"}
    assert set(tags[TRAINING]) == pictures
    assert set(tags["sales/forecast"]) == {"forecast"}
    for run, tag in ((TRAINING, "curves"), (TRAINING, "diagram/unrolled"), ("sales/forecast", "forecast")):
        (*_, last) = ask(tensorboard, "/data/plugin/images/images", run=run, tag=tag, sample=0)
        png = ask(tensorboard, f"/data/plugin/images/individualImage?{last['query']}")
        assert png.startswith(b"\x89PNG")


def test_graphs(tensorboard):
    info = ask(tensorboard, "/data/plugin/graphs/info")
    assert set(info) >= {TRAINING, FORECASTER}
    assert info[TRAINING]["run_graph"]
    graph = ask(tensorboard, "/data/plugin/graphs/graph", run=TRAINING, conceptual="false").decode()
    for name in ("letters", "simple_rnn", "simple_rnn/recurrent_kernel", "output"):
        assert f'name: "{name}"' in graph
    assert 'input: "simple_rnn"' in graph


def test_in_the_browser(tensorboard, browser):
    """The Images tab shows our pictures; the screenshot is kept."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    shots = {}
    for tab, selector in (("timeseries", "card-view img"), ("images", "img")):
        browser.get(f"{tensorboard}/#{tab}")
        browser.refresh()

        def drawn(selector=selector):
            return browser.execute_script(
                """
                function all(root, selector) {
                    let found = [...root.querySelectorAll(selector)];
                    for (const element of root.querySelectorAll('*'))
                        if (element.shadowRoot) found = found.concat(all(element.shadowRoot, selector));
                    return found;
                }
                return all(document, arguments[0]).filter(image => image.complete && image.naturalWidth > 300).length;
                """,
                selector,
            )

        wait_for(lambda drawn=drawn: drawn() >= 2)
        path = SCREENSHOTS / f"{tab}.png"
        assert browser.save_screenshot(str(path))
        shots[tab] = path
    names = browser.find_element(By.TAG_NAME, "body").text
    assert {"IMAGES", "HISTOGRAMS", "GRAPHS"} <= set(names.split())
    for path in shots.values():
        with Image.open(path) as picture:
            assert len(picture.convert("RGB").getcolors(1_000_000)) > 100  # something is there to see


def shown(browser):
    """All text on the page, that inside of web components too."""
    return browser.execute_script(
        """
        function text(root) {
            let found = '';
            for (const node of root.childNodes) {
                if (node.nodeType === Node.TEXT_NODE) found += node.textContent + ' ';
                if (['STYLE', 'SCRIPT', 'TEMPLATE'].includes(node.nodeName)) continue;
                if (node.shadowRoot) found += text(node.shadowRoot);
                if (node.contentDocument) found += text(node.contentDocument);
                found += text(node);
            }
            return found;
        }
        return text(document.body).replace(/\\s+/g, ' ');
        """
    )


@pytest.mark.parametrize(
    ("tab", "texts"),
    [
        ("projector", ["embedding before training", "Points: 5", "Dimension: 3"]),
        ("hparams", ["lstm", "gru", "0.12500", "0.062500"]),
        ("text", ["the lstm remembers", "the gru remembers"]),
    ],
)
def test_tabs_of_the_course_in_the_browser(tab, texts, tensorboard, browser):
    """What no chart shows: an embedding's points, a row a run, and sentences."""
    browser.get(f"{tensorboard}/#{tab}")
    browser.refresh()
    try:
        wait_for(lambda: all(text in shown(browser) for text in texts), seconds=120)
    finally:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(SCREENSHOTS / f"{tab}.png"))


def test_model_opens_in_netron(tmp_path, browser, serve):
    """The saved forecaster, in the viewer the lesson names: the names of its layers stand on the page."""
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    models.sales_forecaster().save(tmp_path / "model.keras")
    program = "import sys, netron; netron.start(sys.argv[1], address=('127.0.0.1', int(sys.argv[2])), browse=False)"
    address = serve(
        lambda port: [sys.executable, "-c", f"{program}; netron.wait()", f"{tmp_path}/model.keras", str(port)]
    )
    browser.get(address)

    def labels():
        for button in browser.find_elements(By.CSS_SELECTOR, "button"):
            if button.is_displayed() and button.text == "Accept":
                button.click()  # Netron asks for leave to report errors, which cannot leave this machine
        return {text.text for text in browser.find_elements(By.CSS_SELECTOR, "svg text")}

    wait_for(lambda: "LSTM" in labels())
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("u").key_up(Keys.CONTROL).perform()  # show names
    wait_for(lambda: {"lstm", "lstm_1", "output", "scale", "unscale"} <= labels())
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(SCREENSHOTS / "netron.png"))
