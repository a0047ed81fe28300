"""Answers for deepdiff, a line at a time: {"legacy", "candidate", "unordered"} in, the places where it finds
that the two texts differ out, each as [kind, steps]."""

import json
import sys

from deepdiff import DeepDiff


def places(legacy, candidate, unordered):
    found = DeepDiff(
        legacy,
        candidate,
        ignore_order=unordered,
        report_repetition=True,
        ignore_numeric_type_changes=True,
        threshold_to_diff_deeper=0,
        cutoff_distance_for_pairs=1,
        cutoff_intersection_for_pairs=1,
        view="tree",
    )
    return [[kind, level.path(output_format="list")] for kind, levels in found.items() for level in levels]


for line in sys.stdin:
    pair = json.loads(line)
    texts = (json.loads(pair["legacy"]), json.loads(pair["candidate"]))
    print(json.dumps(places(*texts, pair["unordered"])), flush=True)
