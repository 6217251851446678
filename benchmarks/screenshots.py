"""Draw the README's picture of the RNN tab anew: lesson 07's networks, before the eyes of a headless browser.

Run with `make screenshots` or `python benchmarks/screenshots.py [logs]`; needs Debian's chromium and chromium-driver.
Without logs of lesson 07 it runs that lesson first. Writes docs/rnn_tab.png.
"""

import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

ROOT = pathlib.Path(__file__).parent.parent
WIDTH, HEIGHT = 1400, 1500
VIEW = [("run", "simple_rnn"), ("run", "gru_open"), ("kind", "gates")]
DRAWN = """
return document.body?.dataset.ready === 'true' && document.querySelectorAll('.panel.frames .cover').length > 3
    && document.querySelectorAll('.panel.flow .cover').length === 2;
"""


def main():
    """Take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        logs = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else folder)
        if not any(logs.rglob("*tfevents*.rnn_tutorial")):
            lesson = ROOT / "lessons" / "07_vanishing_gradients.py"
            subprocess.run([sys.executable, lesson, "--log-dir", logs], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", logs, "--host=127.0.0.1", f"--port={port}"]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            take(f"http://127.0.0.1:{port}", ROOT / "docs" / "rnn_tab.png")
        finally:
            server.kill()
            server.wait()


def take(address, path):
    """Open the tab once TensorBoard has read the runs, wait until it has drawn, and write what is seen."""
    wanted = {run for key, run in VIEW if key == "run"}

    def read(_):
        try:
            with urllib.request.urlopen(f"{address}/data/plugin/rnn_tutorial/runs", timeout=60) as answer:
                return wanted <= {run["name"] for run in json.load(answer)["runs"] if run["layers"]}
        except OSError:
            return False  # It is still starting.

    def drawn(browser):
        browser.switch_to.default_content()
        for frame in browser.find_elements("tag name", "iframe"):
            browser.switch_to.frame(frame)
            if browser.execute_script(DRAWN):
                browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
                return True
            browser.switch_to.default_content()
        return False

    WebDriverWait(None, 300, poll_frequency=0.5).until(read)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={WIDTH},{HEIGHT}"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        view = urllib.parse.quote(urllib.parse.urlencode(VIEW))
        browser.get(f"{address}/#rnn_tutorial&p.rnn_tutorial.view={view}")
        WebDriverWait(browser, 120, poll_frequency=0.2).until(drawn)
        browser.save_screenshot(str(path))
    finally:
        browser.quit()
    print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
