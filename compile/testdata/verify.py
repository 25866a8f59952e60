# Reads policies from standard input, each a name and a stream, both after
# their lengths in four bytes, and writes a line for each: what the independent
# decoder has against it for the kernel. Arguments: the decoder's directory and
# the kernel.
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import decode_blob  # noqa: E402


def part():
    head = sys.stdin.buffer.read(4)
    return sys.stdin.buffer.read(struct.unpack("<I", head)[0]) if head else None


while (name := part()) is not None:
    data = part()
    try:
        profiles = decode_blob.Blob(data).profiles()
        bad = [line for p in profiles for line in p.verify(sys.argv[2])]
        if not profiles:
            bad.append("no profiles")
    except Exception as e:
        bad = [repr(e)]
    print("%s: %s" % (name.decode(), "; ".join(bad) or "ok"))
