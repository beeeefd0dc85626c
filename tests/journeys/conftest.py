from tests.asking import asking_lab, marketplace  # noqa: F401  (fixtures)
