"""The status page in a real browser: numbers move, an outage shows and clears, nothing is logged to the console, it fits a
phone, the colours have contrast, the keyboard reaches everything. Skipped without Chromium or Playwright."""
import os
import shutil
import signal
import statistics
import sys
import time
import urllib.request

try:
    from playwright.sync_api import sync_playwright
except ImportError as missing:
    print(f"not there: {missing}")
    sys.exit(77)

from plant import Feeder, Place, fail, free_port, line_of
from table_rig import LOADERS, TABLE, set_up

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if not CHROMIUM:
    print("not there: chromium")
    sys.exit(77)

PAGE_BYTES_MAX = 60 * 1024

# The smallest contrast of text with what is behind it, over all visible text.
CONTRAST = """() => {
  const lum = c => { const f = v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    return .2126 * f(c[0]) + .7152 * f(c[1]) + .0722 * f(c[2]); };
  const parse = s => s.match(/[\\d.]+/g).map(Number);
  let worst = [99, ''];
  for (const e of document.querySelectorAll('body *')) {
    if (!e.offsetParent || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    if (e.closest('.skip')) continue;
    let b = e, back = [0, 0, 0, 0];
    while (b && (back[3] ?? 1) === 0) { back = parse(getComputedStyle(b).backgroundColor); b = b.parentElement; }
    const l = [lum(parse(getComputedStyle(e).color)), lum(back)].sort((x, y) => y - x), ratio = (l[0] + .05) / (l[1] + .05);
    if (ratio < worst[0]) worst = [ratio, e.className + ' ' + e.textContent.slice(0, 40)];
  }
  return worst;
}"""


# Texts that are cut off: the words of a stop of the way, a table that has to be pushed sideways on a phone.
CUT = """phone => [...document.querySelectorAll('.stop *, .meta *, .axis *' + (phone ? ', .scroll' : ''))]
  .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1).map(e => e.id + ' ' + e.textContent.slice(0, 60))"""


class OddFeeder(Feeder):
    """One line in a thousand is none of ours, and long."""
    def line(self, n):
        return (b"no line of ours, " + 20 * b"and longer " + b"\n" if n % 1000 == 0 else b"") + line_of(n)


def number(page, selector):
    digits = "".join(c for c in page.inner_text(selector) if c.isdigit())
    return int(digits) if digits else -1


def until(page, what, seconds, condition):
    """Playwright's clock must run while we wait, else the page's messages pile up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        page.wait_for_timeout(100)
    fail(f"waited {seconds} s in vain for: {what}")


def watch(browser, port, said, **options):
    page = browser.new_page(**options)
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: said.append(str(e)))
    page.on("request", lambda r: said.append(r.url) if not r.url.startswith((f"http://127.0.0.1:{port}/", "data:")) else None)
    page.goto(f"http://127.0.0.1:{port}/")
    return page


def check_fits(page, what):
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        fail(f"{what}: wider than the screen")
    cut = page.evaluate(CUT, page.viewport_size["width"] < 500)
    if cut:
        fail(f"{what}: cut off: {cut}")
    ratio, where = page.evaluate(CONTRAST)
    if ratio < 4.5:
        fail(f"{what}: contrast {ratio:.2f} of '{where}'")


def first_paint(page, port, path):
    page.goto(f"http://127.0.0.1:{port}{path}")
    # Not wait_for_function: it evaluates text in the page, which the page's own policy forbids.
    until(page, "the first paint", 30, lambda: page.evaluate("performance.getEntriesByName('first-contentful-paint').length") > 0)
    return page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")


def numbers_and_outage(page, place):
    until(page, "readings", 20, lambda: number(page, "#b-delivered") > 0)
    before = number(page, "#b-delivered"), page.inner_text("#clock")
    until(page, "numbers that move", 10, lambda: number(page, "#b-delivered") > before[0] and
          page.inner_text("#clock") != before[1])
    if not page.inner_text("#headline").startswith("All is well"):
        fail(f"not well: {page.inner_text('#headline')}")
    # What is read aloud is the state, not each second's numbers.
    aloud, headline = page.text_content("[role=status]"), page.inner_text("#headline")
    until(page, "another number", 10, lambda: page.inner_text("#headline") != headline)
    if not aloud.startswith("All is well") or page.text_content("[role=status]") != aloud:
        fail(f"read aloud: '{aloud}', then '{page.text_content('[role=status]')}'")
    place.faults("* /api/2.0/fs/* status=503")
    began = time.monotonic()
    until(page, "the outage", 10, lambda: "503" in page.inner_text("#troubles"))
    if "fail" not in page.text_content("[role=status]"):
        fail("the outage is not read aloud")
    print(f"the outage was on the page after {time.monotonic() - began:.1f} s")
    if "is-warning" not in page.get_attribute("#s-volume", "class") or "off" not in page.get_attribute("#pipe2", "class"):
        fail("the picture does not show where it is stuck")
    place.faults("", "DELETE")
    until(page, "the end of the outage", 60, lambda: page.locator("#troubles .is-warning").count() == 0)


def keyboard(page):
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement.className") != "skip":
        fail("the first stop of the Tab key is not the link to the numbers")
    page.focus("#settings summary")
    page.keyboard.press("Enter")
    until(page, "the settings", 5, lambda: "upload_interval" in page.inner_text("#settings-rows"))
    rows = page.locator("#settings-rows tr").count()
    page.focus("#all")
    page.keyboard.press("Space")
    until(page, "the defaults", 5, lambda: page.locator("#settings-rows tr").count() > rows)


def main():
    place, said, port = Place(), [], free_port()
    folder = os.environ.get("SCREENSHOTS", place.directory)
    try:
        place.emulate()
        set_up(place, LOADERS["auto loader"])
        feeder = OddFeeder(rate=3000)
        feeder.start()
        run = place.run(feeder.port, VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{port}", DATABRICKS_DELTA_TABLE=TABLE,
                        **LOADERS["auto loader"])
        place.wait_port(port, run)
        with sync_playwright() as p:
            browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = watch(browser, port, said, viewport={"width": 1280, "height": 900})
            whole = len(urllib.request.urlopen(f"http://127.0.0.1:{port}/").read())
            if whole > PAGE_BYTES_MAX:
                fail(f"the page has {whole} bytes")
            other = browser.new_page(viewport={"width": 1280, "height": 900})
            paints = [(first_paint(other, port, "/"), first_paint(other, port, "/healthz")) for _ in range(5)]
            ours, least = (statistics.median(column) for column in zip(*paints))
            print(f"first paint after {ours:.0f} ms, of a page of two letters after {least:.0f} ms (a browser that is "
                  f"warm, median of {len(paints)}); {whole} bytes")
            other.close()
            numbers_and_outage(page, place)
            check_fits(page, "light")
            page.screenshot(path=f"{folder}/light.png", full_page=True)
            keyboard(page)
            for name, options in (("dark", {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"}),
                                  ("phone", {"viewport": {"width": 375, "height": 812}, "has_touch": True})):
                other = watch(browser, port, said, **options)
                until(other, "numbers", 10, lambda: number(other, "#b-delivered") > 0 and "#" in other.inner_text("#table-b"))
                other.click("#settings summary")
                check_fits(other, name)
                other.screenshot(path=f"{folder}/{name}.png", full_page=True)
            feeder.stop()
            run.send_signal(signal.SIGTERM)
            run.wait(40)
            said_before = list(said)
            until(page, "a program that is gone", 10, lambda: "does not answer" in page.inner_text("#headline"))
            browser.close()
        if said_before:
            fail(f"the console or a stranger: {said_before[:5]}")
    finally:
        place.end()


main()
