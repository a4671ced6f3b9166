"""Files that go with a message: judged by their bytes, read as text under their name, the same for terminal, Python and pages.

examine            ExaminedFile of a name and bytes; the only one that others call
kinds              the kind of file that bytes are
encoding           text of bytes in any encoding, and which it was
apart              documents and pictures are read in a process of its own, with limits on time and memory
reading            the program of that process
pdf, word, sheets, slides, pictures      one reader a kind, over the libraries of the extra `files`
"""
