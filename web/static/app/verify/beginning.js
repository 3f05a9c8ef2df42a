// Whether an archive is meant to be a bundle, told by its first bytes: what is no bundle was not altered either.
"use strict";
(function () {
  const EC = (globalThis.ExportCenter ??= {});
  const V = (EC.verifying ??= {});
  const BEFORE_TAR = 12;
  const SHIFT = 8;
  const SEVERAL = 3;
  /** How many bytes tell it. */
  const LOOK = BEFORE_TAR + 512;

  const NAME = "export.json";
  const FRAME = "\x28\xb5\x2f\xfd\xa0";
  /** By layout, what stands at which places of every bundle's beginning. */
  const MARKS = [
    [
      [0, FRAME],
      [BEFORE_TAR, `${NAME}\0`],
      [BEFORE_TAR + 100, "0000644\x000000000\x000000000\0"],
      [BEFORE_TAR + 257, "ustar\x0000"],
    ],
    [
      [0, "PK\x03\x04"],
      [4, "\x0a\0\0\0\0\0\0\0\x21\0"],
      [30, NAME],
    ],
  ];

  /** Whether all marks that the bytes reach are there, a little shifted perhaps; of several one may be missing. */
  function resembles(head, marks) {
    const reached = marks.filter(([place]) => place < head.length);
    const found = reached.filter(([place, text]) => {
      const around = head.slice(Math.max(place - SHIFT, 0), place + Math.min(text.length, head.length - place) + SHIFT);
      return around.includes(text.slice(0, head.length - place));
    });
    return found.length >= reached.length - (reached.length >= SEVERAL ? 1 : 0);
  }

  /** Whether it begins with a frame of raw blocks, whatever they hold. */
  function isContainer(head, bytes) {
    if (!head.startsWith(FRAME) || head.length < BEFORE_TAR) return false;
    const plain = V.bytes.number(bytes, FRAME.length, 4);
    const size = Math.min(plain, V.tar.RAW_BLOCK);
    return V.bytes.equal(bytes.subarray(9, BEFORE_TAR), V.tar.blockHeader(size, size === plain));
  }

  /** Whether a zip begins with a member as this format writes it, whichever that is. */
  function isOwnZip(head, bytes) {
    if (!head.startsWith("PK\x03\x04") || head.length < V.zip.FIXED) return false;
    const end = V.zip.FIXED + V.bytes.number(bytes, 26, 2) + V.bytes.number(bytes, 28, 2);
    try {
      return end <= head.length && Boolean(V.zip.parse(bytes.subarray(0, end)));
    } catch {
      return false;
    }
  }

  /** Make sure that an archive begins like a bundle, if a damaged one; throws UnreadableError. */
  async function check(incoming, name) {
    const bytes = await incoming.look(LOOK);
    const head = V.bytes.latin(bytes);
    if (!head) throw new V.UnreadableError(`${name} is no bundle: it is empty`, "Fetch it again, or choose a bundle's file.");
    if (isContainer(head, bytes) || isOwnZip(head, bytes) || MARKS.some((marks) => resembles(head, marks))) return;
    throw new V.UnreadableError(
      `${name} is no bundle: it does not begin like one`,
      "Choose a bundle's file, or its extracted folder.",
    );
  }

  V.beginning = { check };
})();
