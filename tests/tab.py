"""The tab RNN in a browser: what the tests that look at it have in common."""

import base64

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

# A TensorBoard with our tab, installed or not.
PROGRAM = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")  # starts faster without TensorFlow
from tensorboard import default, program
from rnn_tutorial import board
plugins = default.get_plugins()
if board.Loader not in plugins:
    plugins.append(board.Loader)
tensorboard = program.TensorBoard(plugins)
tensorboard.configure(argv=sys.argv)
sys.exit(tensorboard.main())
"""
MAP = ".panel.flow .cover"


def wait_for(condition, seconds=60):
    # What is drawn anew is another element.
    ignored = [StaleElementReferenceException]
    return WebDriverWait(None, seconds, poll_frequency=0.05, ignored_exceptions=ignored).until(lambda _: condition())


class Page:
    """The page alone, as TensorBoard puts it into its tab."""

    def __init__(self, browser, address):
        self.browser = browser
        self.address = f"{address}/data/plugin_entry.html?name=rnn_tutorial"

    def open(self, view=""):
        self.browser.get("about:blank")
        self.browser.get(self.address + (f"#p.rnn_tutorial.view={view}" if view else ""))
        self.wait()

    def wait(self):
        wait_for(lambda: self.script("return document.body?.dataset.ready === 'true'"))

    def script(self, code, *arguments):
        return self.browser.execute_script(code, *arguments)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return wait_for(lambda: next(iter(self.all(selector)), None))

    def text(self, selector):
        return self.one(selector).text

    def hover(self, selector, across, down):
        """Move the pointer to a part of a picture's plot, in shares of its width and height."""
        self.wait()  # What is still being laid out would move away from under the pointer.
        self.one(selector)
        place = self.script(
            """
            const cover = document.querySelector(arguments[0]);
            cover.scrollIntoView({block: 'center'});
            const [wide, high] = [cover.clientWidth - 62, cover.clientHeight - 44];
            return [52 + arguments[1] * wide - cover.clientWidth / 2, 8 + arguments[2] * high - cover.clientHeight / 2];
            """,
            selector,
            across,
            down,
        )
        ActionChains(self.browser).move_to_element_with_offset(self.one(selector), *map(round, place)).perform()

    def capture(self, button):
        """Press a button that downloads, and return the file's bytes."""
        self.script(
            """
            window.captured = null;
            const original = URL.createObjectURL;
            URL.createObjectURL = (blob) => {
                URL.createObjectURL = original;
                const reader = new FileReader();
                reader.onload = () => { window.captured = reader.result; };
                reader.readAsDataURL(blob);
                return '#';
            };
            """
        )
        self.script("arguments[0].click()", button)
        return base64.b64decode(wait_for(lambda: self.script("return window.captured")).partition(",")[2])


def colors(page, selector):
    return page.script(
        """
        const canvas = document.querySelector(arguments[0]);
        const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(image.data.buffer)).size;
        """,
        selector,
    )


def shown(number):
    """A number as the page writes it."""
    if number >= 1e-3 or number == 0:
        return f"{float(f'{number:.3g}'):g}"
    figures, exponent = f"{number:.2e}".split("e-")
    return f"{figures}e−{int(exponent)}"
