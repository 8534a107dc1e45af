"""What each error means and what to do about it: the one source of docs/errors.md."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Whole sentences, as a user reads them."""

    cause: str
    remedy: str


def _advice(cause: str, remedy: str) -> Advice:
    return Advice(cause=cause, remedy=remedy)


REASONS = {
    "Jobs": {
        "INVALID_JOB": _advice(
            "The job file or its recipe has faults. All of them are listed, each with its field "
            "and, where it came from a file, with line and column.",
            "Mend what is listed and submit again; nothing was submitted. "
            "[recipes.md](recipes.md) has every key, and `ftctl schema` tells your editor.",
        ),
        "JOB_NOT_FOUND": _advice(
            "No job has this id or name, or it is another user's. A name means the latest job that "
            "bore it; of an id, its first four characters will do.",
            "See whether the nearest name in the message is meant; `ftctl list` shows all.",
        ),
        "AMBIGUOUS_JOB_ID": _advice(
            "Several ids begin with what was given. The message names them.",
            "Give more characters of the id.",
        ),
        "NAME_TAKEN": _advice(
            "A job of this name waits or runs. A name is free again once its job has ended.",
            "Choose another name, leave it out and have one made, or cancel the other job.",
        ),
        "QUEUE_FULL": _advice(
            "As many jobs wait as the daemon lets wait: of all users, or of one.",
            "Wait for some to begin, cancel some, or have `queue_limit` raised.",
        ),
        "JOB_NOT_ENDED": _advice(
            "Only a job that has ended can be deleted.",
            "Cancel it with `ftctl cancel`, or wait for its end.",
        ),
        "JOB_ENDED": _advice(
            "Only a job that has not ended can be paused or resumed.",
            "Submit it again to have it run again.",
        ),
        "JOB_NOT_RUNNING": _advice(
            "The job does not train at this moment, so there is no epoch to finish.",
            "Cancel it without `--finish`, or wait until it trains.",
        ),
        "JOB_IN_USE": _advice(
            "Another job that has not ended needs what this one made.",
            "Wait for that job, or cancel it.",
        ),
        "ARTIFACT_NOT_FOUND": _advice(
            "The job has made no such file, or the file is gone from the daemon's disk.",
            "`ftctl artifacts list` shows what there is.",
        ),
    },
    "Data sets": {
        "DATASET_NOT_FOUND": _advice(
            "No data set has this name, or it is another user's.",
            "`ftctl dataset list` shows all; `ftctl dataset push` makes one.",
        ),
        "DATASET_IN_USE": _advice(
            "A job that has not ended trains on the data set.",
            "Wait for the job or cancel it, then remove the data set.",
        ),
        "INVALID_DATASET": _advice(
            "Files cannot be part of a data set: names that lead out of it, links, devices, names "
            "that differ in case alone, an archive that expands beyond all measure. Nothing was "
            "written.",
            "Mend the files that are listed, by their paths, and push again.",
        ),
        "PUSH_NOT_FOUND": _advice(
            "The daemon does not know this push any more.",
            "Push again: files that are there already are not sent a second time.",
        ),
        "PUSH_INCOMPLETE": _advice(
            "Files of the push have not arrived yet.",
            "Push again: what is missing is sent.",
        ),
        "DIGEST_MISMATCH": _advice(
            "A file changed while it was pushed.",
            "See that nothing writes to the folder, and push again.",
        ),
        "DISK_FULL": _advice(
            "The disk of the daemon's state directory has no room.",
            "Delete ended jobs (`ftctl delete`) or data sets (`ftctl dataset rm`); "
            "`ftctl doctor` shows the room.",
        ),
        "STORE_FAILED": _advice(
            "The daemon's job store is damaged, or the disk beneath it fails. What was asked was "
            "not done.",
            "Who runs the daemon looks at its log; `ftd restore` makes a damaged store whole.",
        ),
    },
    "Predictions": {
        "BAD_IMAGE": _advice(
            "An image cannot be read. The message names it, and why.",
            "Convert it to JPEG or PNG, or leave it out.",
        ),
        "PREDICTOR_UNAVAILABLE": _advice(
            "The process that predicts could not be started, or it ended.",
            "Try again; if it happens again, the daemon's log says why.",
        ),
    },
    "Pictures": {
        "PLOTTER_UNAVAILABLE": _advice(
            "The process that draws could not be started, or it ended.",
            "Try again; if it happens again, the daemon's log says why.",
        ),
    },
    "Evaluations": {
        "TEST_LOCKED": _advice(
            "The images are those that the job itself tests on. They are read once, at its end: a "
            "figure that can be asked for again and again is no test any more.",
            "`ftctl get` has what the test came to; evaluate on other images.",
        ),
        "EVALUATOR_UNAVAILABLE": _advice(
            "The process that evaluates could not be started, or it ended.",
            "Try again; if it happens again, the daemon's log says why.",
        ),
    },
    "Devices": {
        "DEVICE_NOT_FOUND": _advice(
            "No device has this id.",
            "`ftctl devices` shows all.",
        ),
        "AMBIGUOUS_DEVICE_ID": _advice(
            "Several devices have ids that begin so.",
            "Give more of the id; `ftctl devices` shows all.",
        ),
    },
    "Who may": {
        "UNAUTHENTICATED": _advice(
            "The call came over the network with no token, a wrong one or a revoked one. Which it "
            "was is not told: that would help a guesser.",
            "Ask who runs the daemon for a token (`ftd token create NAME`) and put it into "
            "FTCTL_TOKEN or a context.",
        ),
        "PERMISSION_DENIED": _advice(
            "Only admins may do this.",
            "Ask an admin, or for a token with `--admin`.",
        ),
    },
    "Requests": {
        "INVALID_ARGUMENT": _advice(
            "A request is outside its limits. The message names the field and the limit.",
            "Change that field. From `ftctl` and the SDK this is rare: they check first.",
        ),
        "INVALID_PAGE_TOKEN": _advice(
            "A list was asked to go on from a page token that this daemon did not give.",
            "Begin the list anew, with the same filters for all pages.",
        ),
        "REQUEST_ID_REUSED": _advice(
            "A request id came a second time, with another job.",
            "Take a new id for each job; the same one is for repeating the same submit.",
        ),
    },
    "The daemon": {
        "SHUTTING_DOWN": _advice(
            "The daemon is being stopped. Jobs that run go on without it.",
            "Try again once it is back; the SDK does so by itself where that is safe.",
        ),
        "WATCHER_TOO_SLOW": _advice(
            "A watcher read slower than events came, and was cut so that others need not wait.",
            "Watch again after the last sequence number; `ftctl` and the SDK do so by themselves.",
        ),
        "PLANNER_UNAVAILABLE": _advice(
            "The process that plans jobs could not be started, or it ended.",
            "Try again; if it happens again, zygote.log in the state directory says why.",
        ),
        "INTERNAL": _advice(
            "The daemon failed at this: a fault of ours, not of yours.",
            "Look for the message's `request_id` in the daemon's log, and report what it says.",
        ),
    },
}  # fmt: skip

OUTCOMES = {
    "COMPLETED": _advice(
        "The job trained to the end of its recipe.",
        "Nothing is to do: `ftctl artifacts pull` fetches what it made.",
    ),
    "STOPPED_BY_USER": _advice(
        "`ftctl cancel --finish` had it end after the epoch in progress; the best net so far was "
        "exported.",
        "Nothing is to do: `ftctl artifacts pull` fetches what it made.",
    ),
    "STOPPED_EARLY": _advice(
        "Validation had not improved for as many evaluations as `train.early_stopping` says; the "
        "best net was exported.",
        "Nothing is to do: `ftctl artifacts pull` fetches what it made.",
    ),
    "CANCELLED_BY_USER": _advice(
        "Somebody cancelled the job.",
        "Submit it again if that was not meant.",
    ),
    "BAD_RECIPE": _advice(
        "The recipe does not fit its data, weights or model. No device was used.",
        "Mend the faults, which are listed with line and column, and submit again.",
    ),
    "DEPENDENCY_FAILED": _advice(
        "A job that is named in `after` did not succeed.",
        "See why with `ftctl get`, and submit both again.",
    ),
    "START_FAILED": _advice(
        "The process that trains could not be started.",
        "`ftctl doctor`, the daemon's log and zygote.log in its state directory say more.",
    ),
    "WORKER_ERROR": _advice(
        "Training ended with an error. The last lines of its log are part of the outcome.",
        "`ftctl logs` shows the whole; where a device ran out of memory, make the batch smaller.",
    ),
    "KILLED_BY_SIGNAL": _advice(
        "A signal that the daemon did not send ended training, as often as `retries` allow. The "
        "kernel had not counted an end for want of memory.",
        "Find out who sent it, and submit the job again.",
    ),
    "CRASHED": _advice(
        "Native code failed (a segmentation fault, an abort) as often as `retries` allow. The "
        "stacks of all threads are in the log.",
        "Read the stacks with `ftctl logs`; where they end in a loader, see whether one image is "
        "to blame.",
    ),
    "STALLED": _advice(
        "Training made no step for the longer of 60 seconds and 10 usual steps, as often as "
        "`retries` allow. The stacks of all threads are in the log.",
        "The stacks tell what it waited for: most often a network disk, or a device that hangs.",
    ),
    "OUT_OF_MEMORY": _advice(
        "The device ran out of memory, with batches that cannot be halved any more, or where "
        "`train.out_of_memory` says never.",
        "Lower `train.batch_size` and raise `train.accumulate`, take smaller images, or say "
        "`resources.memory` so that no other job shares the device.",
    ),
    "HOST_OUT_OF_MEMORY": _advice(
        "The machine, or the limit that training runs under, ran out of memory as often as "
        "`retries` allow. The kernel counted it, or an allocation was refused.",
        "Lower `train.batch_size` or `data.workers`, or give the machine more memory.",
    ),
    "DISK_FULL": _advice(
        "There was no room left on the disk of the run directory.",
        "Delete ended jobs (`ftctl delete`) or make room otherwise, and submit the job again.",
    ),
    "RESUME_REFUSED": _advice(
        "The job was to go on in another environment than its checkpoint was made in (another "
        "torch build, another instruction set), and the recipe wants it exact.",
        "Have the recipe accept it, which marks the job as inexact, or train from the start.",
    ),
    "PAUSED_BY_USER": _advice(
        "An attempt ended because somebody paused the job. A checkpoint is kept.",
        "`ftctl resume` has it go on from there.",
    ),
    "PREEMPTED": _advice(
        "An attempt ended because a job of higher priority wanted the device. A checkpoint is "
        "kept.",
        "Nothing is to do: the job goes on by itself once a device is free.",
    ),
    "LOST": _advice(
        "The process that trained went without an account, as where the machine restarts or its "
        "shim is killed: five times in a row, and each time before an epoch or a checkpoint. Less "
        "often than that a job goes on by itself.",
        "Find out what ends it, and submit the job again.",
    ),
    "NON_FINITE_LOSS": _advice(
        "The loss became infinite or not a number.",
        "Lower the learning rate, add a `warmup`, or clip the gradient with `clip_norm`.",
    ),
    "BAD_DATA": _advice(
        "An image could not be read. The message names the file.",
        "Mend or remove that file, and submit again.",
    ),
    "TIMED_OUT": _advice(
        "The job ran for longer than its `timeout`. Its last checkpoint is kept.",
        "Give it more time or fewer epochs.",
    ),
}

CLIENT = {
    "FtctlError": _advice(
        "The base of all errors of the client.",
        "Catch it where every failure is handled alike; the message is for the user.",
    ),
    "BadInput": _advice(
        "Something that you gave cannot be used: an option, a path, a mixture of both.",
        "The message says what would be right.",
    ),
    "BadJobFile": _advice(
        "A file cannot be read as a job: it is missing, too large, no text, or no YAML.",
        "Mend what stands at the line and column of the message.",
    ),
    "DaemonUnreachable": _advice(
        "No daemon answers: it was not started, has ended, its socket is another user's, or the "
        "network is in between.",
        "Start one with `ftd serve`, or name the right one with --socket, --server or a context. "
        "`ftctl doctor` finds out which.",
    ),
    "WatchInterrupted": _advice(
        "The daemon stopped answering while a job was followed. The job goes on.",
        "Follow it again with `ftctl watch`, once the daemon is back.",
    ),
    "PushInterrupted": _advice(
        "The daemon stopped answering while files were pushed. What has arrived stays.",
        "Push again: it goes on from where it was.",
    ),
    "DaemonError": _advice(
        "The daemon could not do what was asked; or it is older than the client and does not know "
        "the request.",
        "The message says which; `ftctl version` compares the versions.",
    ),
    "NotEnded": _advice(
        "A job has not ended in the time that `wait` was given. It goes on.",
        "Wait for longer, or cancel it.",
    ),
    "JobFailed": _advice(
        "A job did not succeed, where success was asked for (`job.check()`).",
        "Its outcome says why: see the outcomes above.",
    ),
}

DAEMON = {
    "StateLocked": _advice(
        "Another daemon holds the state directory. The message names its process.",
        "Stop that one, or give this one another directory with --state.",
    ),
    "BadConfig": _advice(
        "The daemon cannot start with this configuration: a setting that cannot be, an address or "
        "a socket that is taken, a certificate that cannot be read.",
        "Mend what is listed; `ftd check-config` shows what holds, and who said it.",
    ),
    "BadBackup": _advice(
        "A folder is no backup that can be restored: a file is missing or damaged, or a newer "
        "version wrote it.",
        "Name another one; those that the daemon made by itself lie in STATE/backups.",
    ),
    "TokenNameTaken": _advice(
        "A token of this name is live.",
        "Choose another name, or revoke that one with `ftd token revoke`.",
    ),
    "TokenNotFound": _advice(
        "No live token has this name.",
        "`ftd token list` shows all.",
    ),
}
