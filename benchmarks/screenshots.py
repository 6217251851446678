"""Draw the README's picture of the RNN tab anew: lesson 07's networks, before the eyes of a headless browser.

Run with `make screenshots` or `python benchmarks/screenshots.py [logs]`; needs Debian's chromium and chromium-driver.
Without logs of lesson 07 it runs that lesson first. Writes docs/rnn_tab.png.
"""

import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

ROOT = pathlib.Path(__file__).parent.parent
WIDTH, HEIGHT = 1400, 1180
VIEW = [("run", "simple_rnn"), ("run", "lstm_open"), ("layer", "lstm"), ("kind", "gates")]


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
        command = [
            sys.executable,
            "-m",
            "tensorboard.main",
            "--logdir",
            logs,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            take(f"http://127.0.0.1:{port}/#rnn_tutorial&p.rnn_tutorial.view=", ROOT / "docs" / "rnn_tab.png")
        finally:
            server.kill()
            server.wait()


def take(address, path):
    """Open the tab, wait until it has drawn, and write what is seen."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={WIDTH},{HEIGHT}"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))

    def drawn(_):
        browser.switch_to.default_content()
        for frame in browser.find_elements("tag name", "iframe"):
            browser.switch_to.frame(frame)
            if browser.execute_script("return document.querySelectorAll('.panel.frames .cover').length > 4"):
                return True
            browser.switch_to.default_content()
        browser.get("about:blank")
        time.sleep(2)  # TensorBoard may still be starting, or reading.
        try:
            browser.get(address + urllib.parse.quote(urllib.parse.urlencode(VIEW)))
        except Exception:
            return False
        time.sleep(5)
        return False

    try:
        WebDriverWait(None, 180, poll_frequency=1).until(drawn)
        time.sleep(2)
        browser.save_screenshot(str(path))
    finally:
        browser.quit()
    print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
