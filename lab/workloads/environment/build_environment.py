"""Make the environment that pushed code needs: what the lab's Python lacks, as the layer of an image.

Everything comes from the environment (order.py). The code is read and never run; of packages that come as sources, uv
runs their build. Exit codes: 0 the layer and the report are where they were to go; 2 what was asked for can't be had,
so that the same again would end the same way; 4 an error that nobody expected; 137 uv was killed, most likely for
memory; 143 stopped by SIGTERM; 1 a fault on the way, worth a retry. The reason goes to the termination message.
"""

import json
import logging
import platform
import sys
import time

# Our own modules are imported now, not when needed: their folder is a ConfigMap, which may be replaced meanwhile.
import archive
import installation
import job
import lab_python
import layer as layer_module
import needs as needs_module
import order as order_module
import packages
import private
import resolution as resolution_module
import transfer
import uv as uv_module
from failure import Failure, Invalid

log = logging.getLogger("trainer")


def work(env):
    # First: the build of a package may run anything, as the same user.
    private.hide()
    order = order_module.read(env)
    needs = _needs(order)
    lab, uv = lab_python.LabPython(), uv_module.Uv(order.work, order.index)
    begun = time.perf_counter()
    try:
        resolution = resolution_module.resolve(needs, uv, order.work, lab)
    except Invalid as err:
        raise Invalid(_unresolved(order, needs, err)) from err
    _fits(order, needs, resolution, lab)
    digest = resolution.digest(order.base, platform.machine())
    log.info(
        "lock %s: %d packages, of which the lab has %d, resolved in %.1f s",
        digest[:12],
        len(resolution.packages),
        len(resolution.kept),
        time.perf_counter() - begun,
    )
    if digest in order.known:
        log.info("there is an environment of this lock")
        _report(order, resolution, digest, known=True)
        return
    try:
        root = installation.install(resolution, uv, order.work)
    except Invalid as err:
        raise Invalid(f"the environment of {order.plan.what} can't be installed: {err}") from err
    layer = layer_module.Layer(root)
    transfer.put(order.layer_url, "the layer", layer.bytes, layer.chunks, order.wait_seconds)
    log.info("layer sha256:%s: %d bytes, after %.1f s", layer.sha256[:12], layer.bytes, time.perf_counter() - begun)
    _report(order, resolution, digest, layer=layer, sizes=installation.sizes(root))


def _needs(order):
    """What the code needs; raise unless it is what the environment is made for."""
    packed, code = order.work / "code.tar.gz", order.work / "code"
    transfer.get(order, packed)
    archive.unpack(packed, code)
    packed.unlink()
    needs = needs_module.check(order.plan, code, {"BENCHTOP_BASE_IMAGE": order.base})
    if needs.request != order.request:
        raise Failure(
            f"the code needs the environment {needs.request}, and {order.request} is to be made; the lab was changed "
            "meanwhile: train again",
            2,
        )
    return needs


def _fits(order, needs, resolution, lab):
    """Raise Invalid if the code imports a package of the lab that does not work in the environment."""
    imported = {packages.canonical(pin.partition("==")[0]) for pin in needs.pins}
    broken = sorted(f"{name} {lab.versions[name]}" for name in resolution.unfit & imported)
    if broken:
        wanted = ", ".join([*needs.missing, *needs.other])
        raise Invalid(
            f"{order.plan.what} needs {wanted}, and imports {', '.join(broken)} of the lab, which does not work with "
            f"that; the package index has no version that does: ask for one in {needs.declared.source}"
        )


def _unresolved(order, needs, err):
    # Both have to fit into a termination message.
    wanted = job.shorten(", ".join([*needs.missing, *needs.other]), needs_module.MAX_WHY)
    message = f"{order.plan.what} needs {wanted}, and there is no environment that has all it asks for: {err}"
    if "was not found in the package registry" in str(err):
        message += (
            "; neither the lab's package index nor the one behind it has that: `benchtop packages add` puts it there"
        )
    if needs.declared.options:
        message += (
            f"; {needs.declared.source} also says {' '.join(needs.declared.options)}, and only the lab's index is asked"
        )
    return message


def _report(order, resolution, digest, known=False, layer=None, sizes=None):
    report = {
        "request": order.request,
        "lock_sha256": digest,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "known": known,
        "layer": {"bytes": layer.bytes, "sha256": layer.sha256} if layer else None,
        "packages": [
            {
                "name": package.name,
                "version": package.version,
                "bytes": (sizes or {}).get(package.name, 0),
                "from": package.file,
                "sha256": package.sha256,
            }
            for package in resolution.new
        ],
        "kept": [{"name": package.name, "version": package.version} for package in resolution.kept],
        "lock": resolution.lock,
    }
    raw = json.dumps(report, ensure_ascii=False).encode()
    transfer.put(order.report_url, "the report", len(raw), lambda: iter([raw]), order.wait_seconds)


def run(env):
    return job.run(env, work, "the environment was not made")


if __name__ == "__main__":
    sys.exit(job.main(run))
