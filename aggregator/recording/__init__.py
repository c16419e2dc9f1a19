"""What upstreams answered, in a file: written once, replayed as often as wanted.

The file is a row of zstandard frames, so `zstd -dc` shows it whole. Each holds one line of JSON (`recording.lines`),
and that of an answer is followed by the body, to the byte. docs/recordings.md describes it for strangers.
"""
