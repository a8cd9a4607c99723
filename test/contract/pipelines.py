"""Whether a pipeline is one: pipelines.py argo FILE, or pipelines.py groovy FILE. Ends with what is wrong on standard error."""
import sys

from groovy_parser.parser import parse_groovy_content
from hera.workflows.models import Workflow
from ruamel.yaml import YAML


def argo(path):
    with open(path, encoding="utf-8") as file:
        given = YAML(typ="safe").load(file)
    read = Workflow.model_validate(given).model_dump(by_alias=True, exclude_unset=True)
    # the models leave out what they do not know
    lost = list(missing(given, read, ""))
    if lost:
        sys.exit(f"{path}: not known to Argo Workflows: {', '.join(lost)}")


def missing(given, read, at):
    if isinstance(given, dict):
        for key, value in given.items():
            if not isinstance(read, dict) or key not in read:
                yield f"{at}.{key}"
            else:
                yield from missing(value, read[key], f"{at}.{key}")
    elif isinstance(given, list) and isinstance(read, list):
        for index, value in enumerate(given):
            yield from missing(value, read[index], f"{at}[{index}]")


def groovy(path):
    with open(path, encoding="utf-8") as file:
        parse_groovy_content(file.read())


{"argo": argo, "groovy": groovy}[sys.argv[1]](sys.argv[2])
