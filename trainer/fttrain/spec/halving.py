"""Smaller batches where memory ran out: the same steps, computed in more passes. Pure."""

from fttrain.spec.plan import Plan


def halved(plan: Plan) -> Plan | None:
    """Return the plan with half the images per pass; None where they cannot be halved any more.

    A step sees the same images as before and adds up the gradients of its passes. BatchNorm needs
    two images of a pass.
    """
    least = 2 if plan.batch_norm_train else 1
    micro = max(-(-images_per_pass(plan) // 2), least)
    chunk = -(-plan.chunk // 2)
    if (micro, chunk) == (images_per_pass(plan), plan.chunk):
        return None
    return plan.model_copy(update={"micro_batch": micro, "chunk": chunk})


def images_per_pass(plan: Plan) -> int:
    """Return the most images that a net computes at once to train on them."""
    return plan.micro_batch or plan.batch_size


def difference(plan: Plan) -> str:
    """Return why the result of a halved plan may differ from that of a whole one."""
    size = f"batches of {plan.batch_size} in passes of {images_per_pass(plan)} after memory ran out"
    if plan.batch_norm_train:
        return f"{size}: BatchNorm sees smaller batches"
    return f"{size}: sums are rounded otherwise"
