from tests.asking import asking_lab  # noqa: F401  (fixture)
