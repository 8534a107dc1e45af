"""A request for every method of the API, and whom it is for."""

from finetuned.v1 import blueprint_service_pb2 as blueprints
from finetuned.v1 import daemon_service_pb2 as daemon
from finetuned.v1 import dataset_service_pb2 as datasets
from finetuned.v1 import device_service_pb2 as devices
from finetuned.v1 import evaluation_service_pb2 as evaluations
from finetuned.v1 import job_service_pb2 as jobs
from finetuned.v1 import model_service_pb2 as models
from finetuned.v1 import plot_service_pb2 as plots
from finetuned.v1 import recipe_service_pb2 as recipes
from finetuned.v1 import similarity_service_pb2 as similarities
from tests.fakes.jobs import RECIPE
from tests.fakes.listening import spec
from tests.fakes.pushing import FLOWERS, listed

J, R, D, M = (f"/finetuned.v1.{name}Service/" for name in ("Job", "Recipe", "Device", "Daemon"))
S = "/finetuned.v1.DatasetService/"
PREDICT = "/finetuned.v1.ModelService/PredictImages"
PLOT = "/finetuned.v1.PlotService/PlotJob"
PLOT_RUNS = "/finetuned.v1.PlotService/PlotRuns"
CURVE = plots.Curve(title="ants", epochs=[plots.CurveEpoch(epoch=1)])
DRAW = "/finetuned.v1.BlueprintService/DrawBlueprint"
EVALUATE = "/finetuned.v1.EvaluationService/EvaluateJob"
LIKE = "/finetuned.v1.SimilarityService/MeasureSimilarity"
REQUESTS = {
    J + "SubmitJob": lambda name: jobs.SubmitJobRequest(spec=spec("new")),
    J + "GetJob": lambda name: jobs.GetJobRequest(job=name),
    J + "ListJobs": lambda name: jobs.ListJobsRequest(),
    J + "CancelJob": lambda name: jobs.CancelJobRequest(job=name),
    J + "PauseJob": lambda name: jobs.PauseJobRequest(job=name),
    J + "ResumeJob": lambda name: jobs.ResumeJobRequest(job=name),
    J + "WatchJob": lambda name: jobs.WatchJobRequest(job=name),
    J + "TailLog": lambda name: jobs.TailLogRequest(job=name),
    R + "GetRecipeSchema": lambda name: recipes.GetRecipeSchemaRequest(),
    R + "ListRecipes": lambda name: recipes.ListRecipesRequest(),
    R + "PlanRecipe": lambda name: recipes.PlanRecipeRequest(recipe_json=RECIPE),
    J + "DeleteJob": lambda name: jobs.DeleteJobRequest(job=name),
    J + "ListArtifacts": lambda name: jobs.ListArtifactsRequest(job=name),
    J + "PullArtifact": lambda name: jobs.PullArtifactRequest(job=name, kind="model"),
    M + "GetDaemon": lambda name: daemon.GetDaemonRequest(),
    M + "ListUsage": lambda name: daemon.ListUsageRequest(),
    PLOT: lambda name: plots.PlotJobRequest(jobs=[name]),
    PLOT_RUNS: lambda name: plots.PlotRunsRequest(runs=[CURVE]),
    DRAW: lambda name: blueprints.DrawBlueprintRequest(job=name),
    EVALUATE: lambda name: evaluations.EvaluateJobRequest(job=name),
    LIKE: lambda name: similarities.MeasureSimilarityRequest(
        first=similarities.CheckpointRef(job=name), second=similarities.CheckpointRef(job=name)
    ),
    PREDICT: lambda name: models.PredictImagesRequest(job=name),
    D + "ListDevices": lambda name: devices.ListDevicesRequest(),
    D + "DrainDevice": lambda name: devices.DrainDeviceRequest(device="sim0", reason="x"),
    D + "ResumeDevice": lambda name: devices.ResumeDeviceRequest(device="sim0"),
    S + "BeginPush": lambda name: datasets.BeginPushRequest(name="new", files=[listed("a", b"")]),
    S + "SendFiles": lambda name: datasets.SendFilesRequest(data=FLOWERS["train/a/1.jpg"]),
    S + "FinishPush": lambda name: datasets.FinishPushRequest(),
    S + "GetDataset": lambda name: datasets.GetDatasetRequest(dataset="alice/flowers"),
    S + "ListDatasets": lambda name: datasets.ListDatasetsRequest(),
    S + "DeleteDataset": lambda name: datasets.DeleteDatasetRequest(dataset="alice/flowers"),
}
OF_A_JOB = {
    J + name
    for name in (
        "GetJob", "CancelJob", "PauseJob", "ResumeJob", "WatchJob", "TailLog", "DeleteJob",
        "ListArtifacts", "PullArtifact",
    )
}  # fmt: skip
OF_A_JOB |= {PREDICT, PLOT, EVALUATE, DRAW, LIKE}
# What a waiting job without artefacts answers to those who may see it.
FOR_IT = {
    J + "DeleteJob": ("FAILED_PRECONDITION", "JOB_NOT_ENDED"),
    J + "PullArtifact": ("NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    PREDICT: ("NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    PLOT: ("NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    EVALUATE: ("NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    LIKE: ("NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    S + "DeleteDataset": ("FAILED_PRECONDITION", "DATASET_IN_USE"),
}
# Not even for an admin: whoever sends a file has it.
OF_A_PUSH = {
    S + "SendFiles": ("OK", ""),
    S + "FinishPush": ("FAILED_PRECONDITION", "PUSH_INCOMPLETE"),
}
OF_A_DATASET = {S + "GetDataset", S + "DeleteDataset"}
STYLES = {
    "unary": "unary_unary", "server_stream": "unary_stream", "client_stream": "stream_unary",
    "bidi_stream": "stream_stream",
}  # fmt: skip
OF_ADMINS = {D + "DrainDevice", D + "ResumeDevice"}
