"""The packages of modules that are called otherwise, as far as people commonly import them.

Who has only imports to tell what is needed gets these; whoever means another package says so in requirements.txt.
"""

# Of several packages with one module the one that needs no display and no compiler.
_CALLED = {
    "Bio": "biopython",
    "Crypto": "pycryptodome",
    "IPython": "ipython",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "git": "gitpython",
    "imblearn": "imbalanced-learn",
    "jwt": "pyjwt",
    "mpl_toolkits": "matplotlib",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "pylab": "matplotlib",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "slugify": "python-slugify",
    "surprise": "scikit-surprise",
    "umap": "umap-learn",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}


def package_of(module):
    """The package that a module is looked for in."""
    return _CALLED.get(module, module)


def said(module):
    """A module as errors name it."""
    return f"{module} (package {_CALLED[module]})" if module in _CALLED else module
