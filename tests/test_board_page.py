"""The page of the tab RNN: its pure functions in Node, the rest in a real browser on a real TensorBoard."""

import io
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from tab import MAP, PROGRAM, Page, colors, shown, wait_for

from rnn_tutorial import recording

ROOT = pathlib.Path(__file__).parent.parent
SCREENSHOTS = ROOT / "build" / "screenshots"
ODD_NAME = "层 one/'two' \"<b>bold</b>"
# Rules that find the same in each run.
RULES = """
import sys, types
import rnn_tutorial
finding = types.SimpleNamespace(
    severity="warning", rule="vanishing", layer="lstm", epochs=(0, 2), numbers={}, tab="Images", tag="t",
    cause="The first step <i>hears</i> nothing.", advice="Open the gates.",
    code="keras.layers.LSTM(8) # <b>", follows="saturated in lstm")
def like(**other):
    return types.SimpleNamespace(**{**vars(finding), **other})

found = [finding, like(rule="overfitting", layer="", tab="Time Series", tag="epoch_loss.1"), like(rule="dead_units")]
panels = {"vanishing": "flow", "dead_units": "states", "overfitting": ""}
RULES = {name: types.SimpleNamespace(panel=panel) for name, panel in panels.items()}
rules = types.SimpleNamespace(read=lambda folder: folder, diagnose=lambda run: found, RULES=RULES)
sys.modules["rnn_tutorial.diagnosis"] = rnn_tutorial.diagnosis = rules
"""


def test_pure_functions_in_node():
    node = shutil.which("node")
    if node is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs Node (apt-get install nodejs)")
    done = subprocess.run([node, "--test", "tests/board/"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout


@pytest.fixture(scope="module")
def logs(tmp_path_factory, record_layer):
    folder = tmp_path_factory.mktemp("page")
    for name, scale in (("first", 1.0), ("second", 100.0)):
        with recording.Run(folder / "two" / name) as run:
            record_layer(run, scale=scale)
    with recording.Run(folder / "two" / "long <i>") as run:
        record_layer(run, ODD_NAME, epochs=range(1200), frames=False, time=5)
    with recording.Run(folder / "none" / "dense") as run:
        run.scalar("epoch_loss", 1.0, 0)
    with recording.Run(folder / "none" / "just_begun"):
        pass
    return folder


@pytest.fixture(scope="module")
def start(serve):
    def begin(folder, *options, prefix=""):
        def command(port):
            arguments = ["--logdir", str(folder), "--host", "127.0.0.1", "--port", str(port), "--reload_interval", "1"]
            return [sys.executable, "-c", RULES + PROGRAM, *arguments, "--path_prefix", prefix, *options]

        return serve(command, f"{prefix}/data/environment") + prefix

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield begin


@pytest.fixture(scope="module")
def two(start, logs):
    return start(logs / "two", "--load_fast", "false")


# Nothing is wider than the window, no picture than its panel, and the pictures use the room that there is.
FITS = """
const app = document.querySelector('.app');
const right = (element) => element.getBoundingClientRect().right;
const fits = (panel) => [...panel.querySelectorAll('canvas')].every((canvas) => right(canvas) <= right(panel));
const charts = [...document.querySelectorAll('.panel.curve .cover')];
return app.scrollWidth <= innerWidth && [...document.querySelectorAll('.panel')].every(fits)
    && charts.every((chart) => right(chart) > right(chart.closest('.panel')) - 30);
"""


@pytest.fixture
def page(browser, two):
    browser.set_window_size(1400, 1000)
    page = Page(browser, two)
    # All runs are there only when TensorBoard has read them.
    wait_for(lambda: page.open() or len(page.all(".runs li")) == 3)
    page.open("run=first%26layer=lstm")
    browser.get_log("browser")
    yield page
    complaints = [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert not complaints
    assert page.script(
        "return performance.getEntriesByType('resource').every(({name}) => name.startsWith(location.origin) || "
        "name.startsWith('blob:'))"
    )


def flow(epoch, step, scale=1.0, time=8):
    """The gradient that `record_layer` has written."""
    return scale * 10.0 ** (-(time - 1 - step) / (1 + epoch))


def test_the_pointer_reads_what_was_recorded(page):
    assert colors(page, ".panel.flow .heatmap canvas") > 40
    for epoch, step in ((0, 0), (3, 7), (5, 2)):
        page.hover(MAP, (step + 0.5) / 8, (epoch + 0.5) / 6)
        expected = f"epoch {epoch} · time step {step} · ‖dL/dh‖ = {shown(flow(epoch, step))}"
        wait_for(lambda expected=expected: page.text(".flow .readout") == expected)


def test_a_click_chooses_the_epoch_everywhere(page):
    page.hover(MAP, 0.5, 2.5 / 6)
    ActionChains(page.browser).click().perform()
    wait_for(lambda: page.text(".player .epoch") == "epoch 2 of 5")
    assert [chip.text.split("\n")[0] for chip in page.all(".chip")] == ["epoch 2", "epoch 0"]
    wait_for(lambda: "epoch%3D2" in page.script("return location.hash"))
    assert "epoch 2" in page.text(".frames figcaption")
    # One more beside it, and what is in the address comes back.
    page.hover(MAP, 0.5, 4.5 / 6)
    ActionChains(page.browser).key_down(Keys.SHIFT).click().key_up(Keys.SHIFT).perform()
    wait_for(lambda: len(page.all(".chip")) == 3)
    wait_for(lambda: "pins%3D0%2B4" in page.script("return location.hash"))
    page.browser.refresh()
    page.wait()
    wait_for(lambda: [chip.text.split("\n")[0] for chip in page.all(".chip")] == ["epoch 2", "epoch 0", "epoch 4"])
    page.all(".chip button")[0].click()
    wait_for(lambda: len(page.all(".chip")) == 2)
    # The chosen epoch is kept, too, when another one is chosen beside it.
    page.one(".keep").click()
    page.hover(MAP, 0.5, 5.5 / 6)
    ActionChains(page.browser).click().perform()
    wait_for(lambda: {chip.text.split("\n")[0] for chip in page.all(".chip")} == {"epoch 5", "epoch 2", "epoch 4"})


def test_by_keyboard_alone(page):
    page.script("document.querySelector('.panel.flow .cover').focus()")
    keys = ActionChains(page.browser)
    keys.send_keys(Keys.ARROW_DOWN).send_keys(Keys.HOME).send_keys(Keys.ARROW_DOWN).send_keys(
        Keys.ARROW_RIGHT
    ).perform()
    wait_for(lambda: page.text(".flow .readout").startswith("epoch 1 · time step 1 ·"))
    outline = page.script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # it is seen where the focus is
    ActionChains(page.browser).send_keys(Keys.ENTER).perform()
    wait_for(lambda: page.text(".player .epoch") == "epoch 1 of 5")
    page.script("document.activeElement.blur()")
    for key, epoch in ((Keys.ARROW_RIGHT, 2), (Keys.END, 5), (Keys.ARROW_LEFT, 4), (Keys.HOME, 0)):
        ActionChains(page.browser).send_keys(key).perform()
        wait_for(lambda epoch=epoch: page.text(".player .epoch") == f"epoch {epoch} of 5")
    ActionChains(page.browser).send_keys(Keys.SPACE).perform()
    wait_for(lambda: page.text(".play") == "Pause")
    wait_for(lambda: page.text(".player .epoch") == "epoch 5 of 5")
    wait_for(lambda: page.text(".play") == "Play")  # at the end it stops
    unnamed = page.script(
        "return [...document.querySelectorAll('button, input, .cover, canvas[role]')].filter((control) => "
        "!control.getAttribute('aria-label') && !control.textContent.trim() && !control.closest('label')).length"
    )
    assert unnamed == 0


def test_total_from_above_and_cell(page):
    for part, factor in (("immediate", 0.1), ("cell", 0.5), ("total", 1)):
        page.one(f".choice [data-value={part}]").click()
        wait_for(lambda part=part: page.all(f".choice [data-value={part}][aria-pressed=true]"))
        page.hover(MAP, 0.01, 0.01)
        page.hover(MAP, 7.5 / 8, 4.5 / 6)
        wait_for(lambda factor=factor: page.text(".flow .readout").endswith(f"= {shown(factor * flow(4, 7))}"))


def test_states_and_gates(page):
    assert [name.text for name in page.all(".kind h3")] == ["hidden", "cell"]
    wait_for(lambda: colors(page, ".panel.frames .heatmap canvas") > 20)
    page.one("[aria-label='One frame back']").click()
    wait_for(lambda: page.text(".player .epoch") == "epoch 4 of 5")
    page.hover(".panel.frames .kind:nth-child(2) .cover", 2.5 / 8, 1.5 / 4)
    value = 2 * math.sin(2 / 3 + 1 + 4)
    expected = f"epoch 4 · cell · unit 1 · time step 2 · {value:.3g}".replace("-", "−")
    wait_for(lambda: page.text(".panel.frames .readout") == expected)
    page.one(".choice [data-value=gates]").click()
    wait_for(lambda: [name.text for name in page.all(".kind h3")] == ["input", "forget", "candidate", "output"])
    colours = ["Colours of input, forget, output: from 0 to 1", "Colours of candidate: from -1 to 1"]
    wait_for(lambda: [one.get_attribute("aria-label") for one in page.all(".legends canvas")] == colours)
    bars = [[cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, .share")] for row in page.all(".bars tr")]
    assert bars == [["input", "20%"], ["forget", "25%"], ["candidate", "30%"], ["output", "35%"]]


def test_two_runs_side_by_side_on_one_scale(page):
    assert [one.text for one in page.all(".runs li")] == ["first", "long <i>", "second"]
    page.all(".runs input")[2].click()
    wait_for(lambda: len(page.all(".panel.flow figure .cover")) == 2)
    first, second = page.all(".panel.flow figure")
    assert abs(first.location["y"] - second.location["y"]) < 2
    label = page.one(".panel.flow .legend").get_attribute("aria-label")
    assert "100, bright" in label
    assert f"from {shown(flow(0, 0))}, dark" in label
    page.hover(".panel.flow figure:nth-child(2) .cover", 7.5 / 8, 0.5 / 6)
    wait_for(lambda: page.text(".flow .readout") == "second · epoch 0 · time step 7 · ‖dL/dh‖ = 100")
    assert len(page.all(".chip")) == 4
    swatches = page.script(
        "return [...document.querySelectorAll('.runs .swatch')].map((swatch) => swatch.style.background)"
    )
    assert len(set(swatches)) == 3


def test_a_long_run_is_thinned_and_its_odd_names_are_text(page):
    page.open("run=long <i>".replace(" ", "%20"))
    wait_for(lambda: "bin" in page.text(".panel.flow .controls"))
    assert page.all("b") == page.all("i") == []
    assert ODD_NAME in page.text(".layers")
    page.hover(MAP, 0.5 / 5, 0.001)
    wait_for(lambda: "epoch 0–" in page.text(".flow .readout") and "largest" in page.text(".flow .readout"))
    page.open("run=long%20<i>%26epoch=700%26pins=")
    wait_for(lambda: page.text(".chip") == "epoch 700")
    page.script("document.querySelector('.panel.curve .cover').focus()")
    ActionChains(page.browser).send_keys(Keys.ARROW_RIGHT).perform()
    wait_for(lambda: page.text(".curve .readout") == f"time step 0 · epoch 700: {shown(flow(700, 0, time=5))}")


def test_numbers_as_table_csv_and_picture(page):
    panel = page.one(".panel.flow")
    page.script("document.querySelector('.panel.flow .tools button').click()")
    rows = wait_for(lambda: page.all(".panel.flow tbody tr"))
    assert [cell.text for cell in rows[3].find_elements(By.CSS_SELECTOR, "th, td")] == [
        "3",
        *(shown(flow(3, step)) for step in range(8)),
    ]
    csv, png = (
        next(button for button in panel.find_elements(By.TAG_NAME, "button") if button.text == text)
        for text in ("CSV", "PNG")
    )
    lines = page.capture(csv).decode("utf-8-sig").split("\r\n")
    assert lines[:2] == ['"first, lstm, ‖dL/dh‖"', "epoch," + ",".join(f"t={step}" for step in range(8))]
    assert [float(number) for number in lines[4].split(",")] == pytest.approx(
        [2] + [flow(2, step) for step in range(8)], rel=1e-6
    )
    with Image.open(io.BytesIO(page.capture(png))) as picture:
        assert picture.width > 500
        assert len(picture.convert("RGB").getcolors(1_000_000)) > 60


def test_findings_lead_to_their_place(page):
    wait_for(lambda: page.all(".found li"))
    assert page.text(".found h2") == "Findings (3)"
    page.script("document.querySelector('.found details').open = true")
    assert page.text(".found li").splitlines()[:4] == [
        "▲ warning: vanishing, lstm epochs 0–2",
        "The first step <i>hears</i> nothing. It follows from saturated in lstm.",
        "Try: Open the gates.",
        "keras.layers.LSTM(8) # <b>",
    ]
    page.script("document.querySelector('.found li button').click()")
    wait_for(lambda: page.text(".player .epoch") == "epoch 2 of 5")
    wait_for(lambda: page.script("return document.activeElement.textContent") == "Gradient through time")


# Until `release()` the answers that a part of their address stands for are not given to the page.
HOLD = """
window.held = new Promise((resolve) => { window.release = resolve; });
const ask = window.fetch;
window.fetch = async (address, ...others) => {
    const answer = await ask(address, ...others);
    if (address.includes(arguments[0])) await window.held;
    return answer;
};
"""


def test_show_scrolls_when_the_picture_is_there(page):
    page.browser.set_window_size(1280, 700)
    wait_for(lambda: len(page.all(".found li")) == 3)
    page.script("document.querySelector('.found details').open = true")
    page.script("document.querySelector('.app').scrollTop = 0")
    page.script(HOLD, "frame?")
    # Of another epoch than the one that is shown, whose frame is not there yet.
    page.script("document.querySelectorAll('.found li button')[1].click()")
    wait_for(lambda: page.text(".player .epoch") == "epoch 2 of 5")
    assert page.script("return document.querySelector('.app').scrollTop") == 0
    page.script("window.release()")
    wait_for(lambda: page.script("return document.activeElement.textContent") == "States and gates")
    assert colors(page, ".panel.frames .heatmap canvas") > 20
    assert page.script(
        """
        const app = document.querySelector('.app');
        const top = document.querySelector('.panel.frames').getBoundingClientRect().top;
        const atTheEnd = app.scrollHeight - app.clientHeight - app.scrollTop < 2;
        return Math.abs(top - 10) < 3 || (top > 0 && atTheEnd);
        """
    )


def test_runs_come_in_one_order_however_they_are_loaded(page):
    page.open("run=second%26layer=lstm")
    page.script(HOLD, "run=first")
    page.all(".runs input")[0].click()  # the first one, chosen and loaded last
    wait_for(
        lambda: page.script(
            "return performance.getEntriesByType('resource').some(({name}) => name.includes('saturation?run=first'))"
        )
    )
    page.script("window.release()")
    wait_for(lambda: len(page.all(".chip")) == 4)
    names = ["first", "second"]
    assert [chip.text.split(",")[0] for chip in page.all(".chip")] == ["first", "first", "second", "second"]
    assert [one.text for one in page.all(".panel.flow figcaption .run")] == names
    assert [one.text for one in page.all(".panel.frames figcaption .run")] == names
    page.one(".choice [data-value=gates]").click()
    wait_for(lambda: page.all(".bars tr"))
    assert [row.text.split(", ")[1].split()[0] for row in page.all(".bars th")] == ["first"] * 4 + ["second"] * 4
    page.script("document.querySelector('.panel.flow .tools button').click()")
    wait_for(lambda: len(page.all(".panel.flow caption")) == 2)
    assert [one.text.split(",")[0] for one in page.all(".panel.flow caption")] == names
    wait_for(lambda: "run%3Dfirst%26run%3Dsecond" in page.script("return location.hash"))


@pytest.fixture(scope="module")
def odd(start, tmp_path_factory, record_layer):
    """A healthy run, and beside it what is sick in one way each."""
    folder = tmp_path_factory.mktemp("odd")
    about = {"v": 1, "kind": "grad_flow", "layer": "lstm", "cell": "LSTM", "units": 4, "masked": [[0, 1]]}
    healthy = np.array([[flow(epoch, step) for step in range(8)] for epoch in range(6)], "float32")
    nan = healthy.copy()
    nan[:, :2], nan[3:] = np.nan, np.nan
    tables = {
        "infinite": healthy.copy(),
        "zeros": 0 * healthy,
        "nan": nan,
        "grows": healthy * 1e4 ** np.arange(6)[:, None],
    }
    tables["infinite"][2:] = np.inf
    for name, table in tables.items():
        with recording.Run(folder / name) as run:
            for epoch, row in enumerate(table):
                content = {**about, "masked": [[0, 1]] if name == "nan" else []}
                array = row.astype("float32")
                run.tensor("rnn/lstm/grad_flow", array, epoch, "rnn_tutorial", json.dumps(content).encode())
    for name, scale in (("healthy", 1.0), ("exploded", 1e16), ("exploded_too", 1e9)):
        with recording.Run(folder / name) as run:
            record_layer(run, scale=scale)
    page = Page(None, start(folder))
    return page.address.partition("/data/")[0]


@pytest.fixture
def odd_page(browser, odd):
    browser.set_window_size(1280, 800)
    page = Page(browser, odd)
    wait_for(lambda: page.open() or len(page.all(".runs li")) == 7)
    return page


PIXELS = """
const figures = [...document.querySelectorAll('.panel.flow figure')];
const canvas = figures.find((figure) => figure.textContent.startsWith(arguments[0])).querySelector('canvas');
const cell = (row, column) => {
    const ratio = window.devicePixelRatio;
    const [wide, high] = [canvas.width / ratio - 62, canvas.height / ratio - 44];
    const place = [52 + (column + 0.5) * wide / 8, 8 + (row + 0.5) * high / 6].map((part) => Math.round(part * ratio));
    return [...canvas.getContext('2d').getImageData(...place, 1, 1).data].join();
};
return Array.from({length: 48}, (_, number) => cell(Math.floor(number / 8), number % 8));
"""


def legend(page):
    return page.one(".panel.flow .legend").get_attribute("aria-label")


def test_a_healthy_run_looks_the_same_beside_a_sick_one(odd_page):
    page = odd_page
    page.open("run=healthy")
    alone, before = page.script(PIXELS, "healthy"), legend(page)
    assert len(set(alone)) > 20
    for others, said in (
        (["exploded"], "more: orange"),
        (["exploded", "exploded_too"], "more: orange"),
        (["grows"], "more: orange"),
        (["infinite"], "infinite: red"),
        (["zeros"], "less: black"),
        (["nan"], "NaN: crossed lines; masked: lines"),
    ):
        page.open("%26".join(f"run={name}" for name in ["healthy", *others]))
        assert page.script(PIXELS, "healthy") == alone, others
        assert legend(page) == f"{before}; {said}"
        if "exploded" in others:
            assert len(set(page.script(PIXELS, "exploded"))) == 1
    page.open("run=exploded%26run=healthy")
    page.hover(".panel.flow figure:nth-child(1) .cover", 7.5 / 8, 0.5 / 6)
    wait_for(lambda: page.text(".flow .readout") == "exploded · epoch 0 · time step 7 · ‖dL/dh‖ = 1.00e16")
    page.browser.save_screenshot(str(SCREENSHOTS / "rnn_exploded.png"))
    page.open("run=exploded")  # alone it has colours of its own
    assert len(set(page.script(PIXELS, "exploded"))) > 20


def test_masked_and_nan_are_told_apart(odd_page):
    page = odd_page
    page.open("run=nan")
    assert legend(page).endswith("; NaN: crossed lines; masked: lines")
    for (epoch, step), said in {(0, 1): "masked", (4, 1): "masked", (4, 5): "NaN"}.items():
        page.hover(MAP, (step + 0.5) / 8, (epoch + 0.5) / 6)
        expected = f"epoch {epoch} · time step {step} · {said}"
        wait_for(lambda expected=expected: page.text(".flow .readout") == expected)
    page.script("document.querySelector('.panel.curve .cover').focus()")
    keys = ActionChains(page.browser)
    keys.send_keys(Keys.ARROW_RIGHT).perform()
    wait_for(lambda: page.text(".curve .readout") == "time step 0 · epoch 5: masked · epoch 0: masked")
    for _ in range(2):
        ActionChains(page.browser).send_keys(Keys.ARROW_RIGHT).perform()
    wait_for(lambda: page.text(".curve .readout").startswith("time step 2 · epoch 5: NaN · epoch 0: 1.00e−5"))
    page.browser.save_screenshot(str(SCREENSHOTS / "rnn_nan.png"))
    page.script("document.querySelector('.panel.flow .tools button').click()")
    rows = wait_for(lambda: page.all(".panel.flow tbody tr"))
    cells = [cell.text for cell in rows[4].find_elements(By.CSS_SELECTOR, "th, td")]
    assert cells == ["4", "", "", *["NaN"] * 6]
    page.open("run=healthy")
    assert "NaN" not in legend(page)
    assert "masked" not in legend(page)


def test_what_version_1_recorded(browser, start, tmp_path, read_values, our_event_file):
    """All of it is shown, the immediate part among it, which had another name."""
    recorded = ROOT / "tests" / "recorded" / "version_1"
    written = read_values(our_event_file(recorded))["rnn_tutorial"]
    shutil.copytree(recorded, tmp_path / "old")
    browser.set_window_size(1400, 1000)
    page = Page(browser, start(tmp_path))
    wait_for(lambda: page.open() or len(page.all(".layers li")) == 2)
    for layer, parts, gates in (
        ("lstm", ["total", "immediate", "cell"], ["input", "forget", "candidate", "output"]),
        ("reader", ["total", "immediate"], ["update", "reset", "candidate"]),
    ):
        page.open(f"layer={layer}%26part=immediate%26kind=gates")
        enabled = page.all(".panel.flow .choice button:not(:disabled)")
        assert [button.get_attribute("data-value") for button in enabled] == parts
        assert [button.text for button in page.all(".choice [aria-pressed=true]")] == ["immediate", "gates"]
        assert colors(page, ".panel.flow .heatmap canvas") > 20
        assert "immediate ‖dL/dh‖" in page.one(".panel.flow .legend").get_attribute("aria-label")
        page.script("document.querySelector('.panel.flow .tools button').click()")
        rows = [row.find_elements(By.CSS_SELECTOR, "th, td") for row in page.all(".panel.flow tbody tr")]
        for epoch, row in enumerate(rows):
            *values, last = written[f"rnn/{layer}/grad_flow_above"][epoch]
            assert [cell.text for cell in row] == [str(epoch), *map(shown, values), ""]
            assert np.isnan(last)  # masked
        assert len(rows) == 4
        assert page.text(".player .epoch") == "epoch 3 of 3"
        assert [name.text for name in page.all(".kind h3")] == gates
        assert len(page.all(".bars tr")) == len(gates)


def test_it_fits_and_follows_the_theme(page):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    backgrounds = set()
    page.open("run=first%26run=second%26layer=lstm%26kind=gates")
    for theme in ("light", "dark"):
        page.browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        )
        wait_for(lambda theme=theme: page.script("return document.documentElement.dataset.theme") == theme)
        for size in ((1024, 640), (2560, 1300)):
            page.browser.set_window_size(*size)
            wait_for(lambda: page.script(FITS))
            page.browser.save_screenshot(str(SCREENSHOTS / f"rnn_{theme}_{size[0]}.png"))
        backgrounds.add(page.script("return getComputedStyle(document.querySelector('.panel')).backgroundColor"))
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(backgrounds) == 2


def test_empty_states_teach(browser, start, logs, tmp_path):
    page = Page(browser, start(logs / "none"))
    wait_for(lambda: page.open() or (page.all(".starting") and page.all(".without")))
    assert "just_begun" in page.text(".starting")
    assert "dense" in page.text(".without")
    assert "recurrent layer" in page.text(".without")
    lines = page.text(".empty pre").split("\n")
    compile("\n".join(lines), "empty", "exec")
    assert len(lines) == 3
    assert 'callbacks.observe("logs/run", probe=probe)' in lines[2]


def test_two_hundred_runs(browser, start, tmp_path, record_layer):
    """All are listed, under each other in a list that scrolls; the last one can be chosen."""
    for number in range(200):
        with recording.Run(tmp_path / f"run_{number:03}") as run:
            record_layer(run, epochs=range(1), frames=False, time=3)
    page = Page(browser, start(tmp_path))
    wait_for(lambda: page.open() or len(page.all(".runs li")) == 200)
    assert page.script("return document.querySelector('.app').scrollHeight <= innerHeight")
    # In one script: the list may be redrawn between two.
    page.script("const it = document.querySelector('.runs li:last-child input'); it.scrollIntoView(); it.click();")
    wait_for(lambda: "run_199" in page.script("return location.hash"))
    seen = """
        const frame = document.querySelector('.runs').getBoundingClientRect();
        const last = document.querySelector('.runs li:last-child').getBoundingClientRect();
        return last.top >= frame.top && last.bottom <= frame.bottom + 1;
    """
    assert page.script(seen)  # also after the list was drawn anew
    page.open("run=run_199")
    assert page.script(seen)


def test_in_tensorboards_own_page(browser, start, tmp_path, record_layer):
    """The tab under a path prefix, TensorBoard's theme, its reload button while a run is written, a run deleted."""
    run, other = recording.Run(tmp_path / "growing"), recording.Run(tmp_path / "other")
    record_layer(run, epochs=range(3))
    record_layer(other, epochs=range(2))
    address = start(tmp_path, "--load_fast", "auto", prefix="/below")
    browser.set_window_size(1400, 1000)
    page = Page(browser, address)

    def enter():
        browser.switch_to.default_content()
        for frame in browser.find_elements(By.TAG_NAME, "iframe"):
            browser.switch_to.frame(frame)
            if page.script("return document.body?.dataset.ready === 'true'"):
                return True
            browser.switch_to.default_content()
        return False

    def reload():
        browser.switch_to.default_content()
        page.script("document.querySelector('app-header-reload button, .reload-button').click()")
        wait_for(enter)

    try:
        view = "run%3Dgrowing%26epoch%3D1"
        wait_for(lambda: browser.get(f"{address}/#rnn_tutorial&p.rnn_tutorial.view={view}") or True)
        wait_for(enter)
        wait_for(lambda: page.all(MAP) or reload())
        assert page.text(".player .epoch") == "epoch 1 of 2"
        record_layer(run, epochs=range(3, 6))
        wait_for(lambda: reload() or page.text(".player .epoch") == "epoch 1 of 5")
        assert page.script("return document.documentElement.dataset.theme") == "light"
        browser.switch_to.default_content()
        page.script("document.body.classList.add('dark-mode')")
        wait_for(enter)
        wait_for(lambda: page.script("return document.documentElement.dataset.theme") == "dark")
        browser.save_screenshot(str(SCREENSHOTS / "rnn_in_tensorboard.png"))
        # What plays goes on through a reload, and what has the focus keeps it.
        page.script("document.querySelector('.panel.flow .cover').focus()")
        page.one("[aria-label='One frame back']").click()
        wait_for(lambda: page.text(".player .epoch") == "epoch 0 of 5")
        page.script("document.querySelector('.panel.flow .cover').focus(); document.querySelector('.play').click()")
        reload()
        assert page.script("return document.activeElement.className") == "cover"
        wait_for(lambda: page.text(".player .epoch") == "epoch 5 of 5")
        page.script("document.querySelectorAll('.found details').forEach((details) => { details.open = true; })")
        leads = wait_for(lambda: [button for button in page.all(".found button") if button.text == "Open Time Series"])
        page.script("arguments[0].click()", leads[0])
        browser.switch_to.default_content()
        wait_for(lambda: page.script("return location.hash") == "#timeseries")
        wait_for(
            lambda: page.script(
                "return [...document.querySelectorAll('metrics-dashboard input')].some("
                "(field) => field.value === 'epoch_loss\\\\.1')"
            )
        )
        page.script("location.hash = 'rnn_tutorial'")  # Back, where all is as it was.
        wait_for(enter)
        wait_for(lambda: page.text(".player .epoch") == "epoch 5 of 5")
        page.script("arguments[0].click()", page.one("[aria-label='One frame back']"))
        browser.switch_to.default_content()
        wait_for(lambda: "epoch%3D4" in page.script("return location.hash"))
        assert page.script("return location.hash").startswith("#rnn_tutorial&")
        browser.refresh()
        wait_for(enter)
        wait_for(lambda: page.all(MAP) and page.text(".player .epoch") == "epoch 4 of 5")
        run.close()
        shutil.rmtree(tmp_path / "growing")
        wait_for(lambda: reload() or [name.text for name in page.all(".runs li")] == ["other"])
        wait_for(lambda: page.all(MAP) and page.text(".player .epoch").startswith("epoch 1 of 1"))
    finally:
        browser.switch_to.default_content()
        other.close()
