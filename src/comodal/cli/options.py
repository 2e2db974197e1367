"""Arguments and options that several subcommands share: each a type with its help text."""

from __future__ import annotations

from typing import Annotated, Any, Literal

Arm = Annotated[str, "fusion/measure of a comparison, for example early/kl"]
Clean = Annotated[bool, "replace NaN and infinite values by a stated rule, and report it"]
Data = Annotated[
    str,
    "`digits`; `synthetic` (or synthetic:redundant, synthetic:single); `mosi:nested`, `mosi:clean`, ..., searched for "
    "in COMODAL_MOSI_DIR and ../shared/data/cmu_mosi; `views:NAME` of COMODAL_VIEWS_DIR; or a path",
]
Features = Annotated[str | None, "modality=feature pairs, for example text=text_minilm,audio=audio"]
Folds = Annotated[str | None, "lists of groups per split: JSON, or the SDK's Python file (read, never run)"]
FoldsKey = Annotated[str | None, "which lists, where the JSON file holds several"]
Force = Annotated[bool, "overwrite existing files of an earlier run of this command"]
FusionConfig = Annotated[dict[str, Any], 'options of the fusion models, for example {"hidden": 128}']
Jobs = Annotated[int, "processes, one thread each"]
Json = Annotated[bool, "print JSON on standard output and nothing else there"]
LabelName = Annotated[str | None, "label or column to predict, several separated by commas; its own by default"]
Metrics = Annotated[
    str | None, "names of metrics, comma-separated, the leading one first; those of the task by default"
]
MovedData = Annotated[str | None, "current place of the data, if they were moved; or other data of these modalities"]
PenalisedArm = Annotated[str, "fusion/measure of a comparison; the first with a penalty by default"]
Preset = Annotated[str, "published setting that `--config preset:NAME` has set; other data sets are refused"]
Protocol = Annotated[str | None, "partition, where the data offer several; their first by default"]
Run = Annotated[str, "folder that `comodal train` or `comodal compare` wrote"]
Seed = Annotated[int | None, "seed of the run; the lowest of the arm by default"]
Source = Annotated[str, "file or folder of a known format (docs/formats.md), `mosi`, or a converted data set"]
TaskName = Annotated[
    str | None,
    "what is predicted: regression, sentiment, binary, multiclass or multilabel, perhaps with its classes "
    "(binary:no,yes) or range (regression:0,5), or none for the dependency alone; follows from the labels by default, "
    "whole numbers need it",
]
Split = Literal["train", "valid", "test"]
