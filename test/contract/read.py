"""What other people's parsers make of our files, as JSON: read.py junit FILE, or read.py metrics FILE."""
import json
import sys

from junitparser import JUnitXml, Properties, TestSuite
from prometheus_client.parser import text_string_to_metric_families


def junit(path):
    root = JUnitXml.fromfile(path)
    suites = [root] if isinstance(root, TestSuite) else list(root)
    return [
        {
            "name": suite.name,
            "hostname": suite.hostname,
            "timestamp": suite.timestamp,
            "counts": [suite.tests, suite.failures, suite.errors, suite.skipped],
            "cases": [case_of(case) for case in suite],
        }
        for suite in suites
    ]


def case_of(case):
    return {
        "name": case.name,
        "classname": case.classname,
        "time": case.time,
        "out": case.system_out,
        "results": [
            {"kind": type(each).__name__, "type": each.type, "message": each.message, "text": each.text}
            for each in case.result
        ],
        "properties": {each.name: each.value for each in case.child(Properties) or []},
    }


def metrics(path):
    with open(path, encoding="utf-8") as file:
        return [
            {
                "name": family.name,
                "type": family.type,
                "help": family.documentation,
                "samples": [[sample.name, sample.labels, sample.value] for sample in family.samples],
            }
            for family in text_string_to_metric_families(file.read())
        ]


json.dump({"junit": junit, "metrics": metrics}[sys.argv[1]](sys.argv[2]), sys.stdout)
