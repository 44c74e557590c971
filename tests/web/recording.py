"""What a page really sends to the loudspeaker, by an AudioWorklet put between."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Browser, Page

FloatArray = npt.NDArray[np.float32]

_TAP = """
const connect = AudioNode.prototype.connect;
window.recorded = [];
AudioNode.prototype.connect = function (to, ...rest) {
  if (to instanceof AudioDestinationNode) tap(this);
  return connect.call(this, to, ...rest);
};
async function tap(node) {
  const source = new Blob([RECORDER], { type: "text/javascript" });
  await node.context.audioWorklet.addModule(URL.createObjectURL(source));
  const recorder = new AudioWorkletNode(node.context, "recorder", {
    channelCount: 1, channelCountMode: "explicit",
  });
  recorder.port.onmessage = ({ data }) => window.recorded.push(data);
  connect.call(node, recorder);
  connect.call(recorder, node.context.destination);
}
"""
_FETCH = """() => window.recorded.map(({ frame, samples }) => {
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return [frame, btoa(text)];
})"""


@dataclass(frozen=True)
class Recording:
    """Mono sound, from a frame of the audio clock on."""

    first: int
    sound: FloatArray

    @property
    def end(self) -> int:
        """The frame after the last."""
        return self.first + len(self.sound)

    def between(self, first: int, end: int) -> FloatArray:
        """What sounded between two frames."""
        return self.sound[max(0, first - self.first) : end - self.first]


def recording_page(browser: Browser) -> Page:
    """A page that records whatever it will play."""
    # Its own policy would keep out the recorder, which is no file of the server's.
    page = browser.new_page(bypass_csp=True)
    source = Path(__file__).with_name("recorder.js").read_text("utf-8")
    page.add_init_script(f"const RECORDER = {json.dumps(source)};\n{_TAP}")
    return page


def recorded(page: Page, since: int) -> Recording:
    """All that was played since a frame; the blocks follow each other without a gap."""
    blocks = [
        (int(frame), np.frombuffer(base64.b64decode(data), dtype="<f4"))
        for frame, data in page.evaluate(_FETCH)
    ]
    # While a page is loading, nothing sounds yet and the browser may leave the recorder out.
    blocks = [(frame, block) for frame, block in blocks if frame >= since]
    assert blocks, "nothing was played"
    for (frame, block), (following, _) in pairwise(blocks):
        assert frame + len(block) == following, "the recorder was left out"
    return Recording(blocks[0][0], np.concatenate([block for _, block in blocks]))
