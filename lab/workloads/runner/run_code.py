"""Run pushed code as it is: fetch it, check what it needs, run it, register the model that it leaves.

Everything comes from the environment (pushed.py). The script is a process of its own, in which hooks (benchtop_*.py)
answer mlflow with the lab's registry and note what is read, fitted and written. Exit codes: 0 finished, with or
without a model; 2 the code is at fault, so that the same again would fail the same way; 3 registry or object store
refused; 4 an error that nobody expected; 42 the lab's Python does not suffice and an environment may: the message is
JSON that says what for (needs.py), and there is no run; 137 the script was killed, most likely for memory; 143 stopped
by SIGTERM; 1 a fault on the way, worth a retry. The reason, and what became of the model, go to the termination
message.
"""

import json
import logging
import os
import signal
import sys
import time

# Our own modules are imported now, not when needed: their folder is a ConfigMap, which may be replaced meanwhile.
import archive
import job
import left
import needs as needs_module
import noted as noted_module
import own
import pushed as pushed_module
import registry as registry_module
import rest
import script as script_module
from failure import Failure, Killed
from retry import NotReady

log = logging.getLogger("trainer")

NO_MODEL = 'add mlflow.sklearn.log_model(model, name="model") or joblib.dump(model, "model.joblib") after the fit'


class ScriptFailed(Failure):
    """The script has ended with an error."""

    def __init__(self, message, reason, exit_code=2):
        super().__init__(message, exit_code)
        self.reason = reason  # for the run: more than a line


class Stop:
    """Turns SIGTERM into Killed, except while the end of the work must not be interrupted."""

    def __init__(self):
        self._held = False
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, _number, _frame):
        if self._held:
            log.info("SIGTERM: the run is being ended, finishing first")
            return
        # Once is enough: what follows is the clean-up.
        self._held = True
        raise Killed

    def hold(self):
        self._held = True


class Work:
    """One Job's work, step by step."""

    def __init__(self, pushed, registry, stop, env):
        self._pushed = pushed
        self._registry = registry
        self._stop = stop
        self._env = env
        self._folders = script_module.Folders(pushed.work)
        self._sources = script_module.sources()
        self._before = {}
        self._needs = needs_module.Needs()
        self._process = None
        self._datasets = []

    def run(self):
        """All of it; what to say in the end."""
        self._prepare()
        self._script()
        noted = noted_module.Noted(self._folders.notes)
        self._inputs(noted)
        said = self._model(noted)
        self._stop.hold()
        self._registry.end("FINISHED")
        return said

    def stop(self):
        """End what runs."""
        if self._process:
            self._process.stop()

    def _prepare(self):
        """Fetch the code, check what it needs and begin the run; code that has to wait for an environment has none."""
        try:
            self._fetch()
            self._check()
        except needs_module.NeedsEnvironment:
            raise
        except BaseException:
            # The run has to say what went wrong.
            self._registry.start()
            raise
        self._registry.start()
        if self._needs.differs:
            self._registry.tag("benchtop.environment.differs", needs_module.dumps(self._needs))

    def _fetch(self):
        begun = time.perf_counter()
        size = archive.fetch(self._pushed, self._folders.archive)
        self._before = archive.unpack(self._folders.archive, self._folders.code)
        self._folders.archive.unlink()
        log.info(
            "code %s: %d files, %d bytes packed, sha256 verified, in %.1f s",
            self._pushed.sha256[:12],
            len(self._before),
            size,
            time.perf_counter() - begun,
        )

    def _check(self):
        plan = self._pushed.plan
        self._needs = needs_module.check(plan, self._folders.code, self._env)
        if self._needs.environment:
            self._pushed.tags["benchtop.environment"] = self._needs.request
        needs_module.refuse(plan, self._needs)
        for line in self._needs.differs:
            log.warning("%s", line)

    def _script(self):
        pushed, folders = self._pushed, self._folders
        script_module.prepare(folders, self._sources, self._settings())
        own.lay_out(self._needs.declared.own, folders.installed)
        notebook = folders.kept / "notebook.py"
        notebook.write_text(self._sources["notebook.py"])
        words = script_module.command(pushed.plan, pushed.params, folders, notebook, self._needs.environment)
        log.info("running %s", pushed.tags["benchtop.code.command"])
        env = script_module.environment(self._env, folders, self._registry, self._needs)
        begun = time.perf_counter()
        self._process = script_module.Script(words, env, script_module.folder(pushed.plan, folders))
        code = self._process.wait()
        log.info("%s ended with exit code %d after %.1f s", pushed.plan.what, code, time.perf_counter() - begun)
        if code:
            raise self._failed(code)

    def _settings(self):
        pushed, registry = self._pushed, self._registry
        return {
            "tracking_uri": pushed.tracking_uri,
            "experiment": pushed.experiment,
            "experiment_id": registry.experiment_id,
            "run_id": registry.run_id,
            "model": pushed.model_name,
            # Not benchtop.job: the newest run with that tag is what became of the Job.
            "run_tags": self._run_tags(),
            "version_tags": registry.version_tags(),
            "instrumented": self._needs.instrumented,
            "requirements": self._needs.pins,
            "code": str(self._folders.code),
            "roots": [str(self._folders.code), str(pushed.data)],
            "kept": str(self._folders.kept),
            "notes": str(self._folders.notes),
        }

    def _run_tags(self):
        """What runs of the script are tagged with. Those that serve a version need the environment that made it."""
        tags = {"benchtop.project": self._pushed.project, "benchtop.job_run": self._registry.run_id}
        made = self._pushed.tags.get("benchtop.environment")
        return tags | ({"benchtop.environment": made} if made else {})

    def _failed(self, code):
        what = self._pushed.plan.what
        if code == -signal.SIGKILL:
            return ScriptFailed(*self._killed(what), exit_code=137)
        line, lines = self._process.last_words()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        message = f"{what} {how}" + (f": {line}" if line else " and said nothing about why")
        if "ModuleNotFoundError" in line:
            declared = self._needs.declared
            if declared.source and declared.complete:
                message += f"; {declared.source} does not name it: add it there"
            whose = "environment" if self._needs.environment else "lab's Python"
            message += f"; the {whose} has: {needs_module.what_is_there(self._needs.environment)}"
        for differs in self._needs.differs:
            message += f"; {differs}"
        return ScriptFailed(message, "\n".join([message, *lines[-30:]]))

    @staticmethod
    def _killed(what):
        limit = script_module.memory_limit()
        room = f" of {limit} MiB" if limit else ""
        if script_module.out_of_memory() is False:
            message = (
                f"{what} was killed (SIGKILL), and not by the kernel for memory; something in it must have done it"
            )
        else:
            message = (
                f"{what} was killed (SIGKILL), most likely because it needed more than the memory{room} that it may "
                "have; give the project more memory, or read less data at once"
            )
        return message, message

    def _inputs(self, noted):
        files = noted_module.read_files(noted, str(self._folders.code), self._before, self._pushed.data)
        if files:
            self._datasets = noted_module.datasets(files, self._pushed.uri)
            self._registry.inputs(self._registry.run_id, self._datasets)
            log.info("it has read %s", ", ".join(sorted(files)[:10]) + (", …" if len(files) > 10 else ""))
        for key, value in noted.asked().items():
            self._registry.tag(key, value)

    def _model(self, noted):
        """Register the model that is meant, unless the script has; what to say of it."""
        name = self._pushed.model_name
        versions = noted.of("version")
        if versions:
            last = versions[-1]
            self._stop.hold()
            runs = {entry["model_id"]: entry["run_id"] for entry in noted.of("model")}
            run_id = self._lineage(last["run_id"] or runs.get(last["model_id"]))
            self._registry.tag_version(last["version"], rest.metric_tags(self._registry.metrics(run_id)))
            return self._say(f"{self._pushed.plan.what} has registered version {last['version']} of {name}")
        explicit = self._logged(noted, auto=False)
        if explicit:
            meant, why = left.choose(explicit)
            return self._register(meant, f"model {meant.name}, which the script has logged{_of(explicit, why)}")
        written = archive.written(self._folders.code, self._before)
        found, unread = left.candidates(written, noted, str(self._folders.code), self._needs.environment)
        automatic = self._logged(noted, auto=True)
        like = automatic[-1].uri if automatic else None
        failed = []
        if found:
            ordered, why = left.order(found)
            logged, failed = self._log(ordered, like)
            if logged:
                reason = _of(found, why) if logged[0].name == ordered[0].name else _others(failed)
                return self._register(logged[0], f"{logged[0].name}, which the script has written{reason}")
        if automatic:
            return self._register(automatic[-1], f"model {automatic[-1].name}, which was fitted last")
        for entry in noted.of("fitted")[-1:]:
            kept, rows, run_id = entry["kept"], entry["rows"], entry["run_id"]
            last = left.Candidate("model", kept, "pickle", entry["at"], kept, rows, run_id)
            logged, errors = self._log([last])
            if logged:
                return self._register(logged[0], f"the {entry['kind']} that was fitted last; no file has it")
            failed += errors
        reasons = [*unread, *failed] or [
            f"{self._pushed.plan.what} has fitted none that is known, logged none and written none"
        ]
        return self._say(f"no model was found: {'; '.join(reasons)}; {NO_MODEL}")

    @staticmethod
    def _logged(noted, auto):
        return [
            left.Logged(entry["name"] or "model", entry["model_id"], entry["run_id"], entry["at"], entry["uri"])
            for entry in noted.of("model")
            if entry["auto"] is auto and (entry["model_id"] or entry["uri"].startswith("runs:/"))
        ]

    def _register(self, logged, what):
        run_id = self._lineage(logged.run_id)
        metrics = self._registry.metrics(run_id)
        # From here on there is a version: the run has to say so.
        self._stop.hold()
        version = self._registry.register(logged, run_id, metrics)
        return self._say(f"registered version {version} of {self._pushed.model_name}: {what}")

    def _lineage(self, run_id):
        """A version's run, which is one of the script's or the Job's: it has to say what was read."""
        if run_id and run_id != self._registry.run_id:
            self._registry.inputs(run_id, self._datasets)
        return run_id or self._registry.run_id

    def _say(self, message):
        log.info("%s", message)
        return message

    def _log(self, models, like=None):
        """([Logged], sentences about those that can't be), in the order of the models."""
        folders, pushed = self._folders, self._pushed
        request, results = folders.kept / "models.json", folders.kept / "logged.jsonl"
        results.unlink(missing_ok=True)
        program = folders.kept / "log_models.py"
        program.write_text(self._sources["log_models.py"])
        runs = {"": None, None: self._registry.run_id}
        if any(model.run_id == "" for model in models):
            runs[""] = self._registry.below(self._run_tags())
        run_of = {model.name: runs.get(model.run_id, model.run_id) for model in models}
        fields = ("name", "path", "kind", "kept", "rows")
        request.write_text(
            json.dumps(
                {
                    "experiment_id": self._registry.experiment_id,
                    "code": str(folders.code),
                    "requirements": self._needs.pins,
                    "like": like,
                    "results": str(results),
                    "models": [
                        {field: getattr(model, field) for field in fields} | {"run_id": run_of[model.name]}
                        for model in models
                    ],
                }
            )
        )
        env = script_module.environment(self._env, folders, self._registry, self._needs)
        paths = [str((folders.code / pushed.plan.entry).parent), *script_module.places(folders, self._needs)]
        # Without the hooks: this is no code of the script's.
        env["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
        self._process = script_module.Script([sys.executable, "-P", str(program), str(request)], env, folders.code)
        code = self._process.wait()
        found = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
        logged = {entry["name"]: entry for entry in found if "uri" in entry}
        failed = {entry["name"]: entry["error"] for entry in found if "error" in entry}
        if code and len(found) < len(models):
            lost = models[len(found)].name
            failed[lost] = f"reading it ended the process with exit code {code}: {self._process.last_words()[0]}"
        for name, error in failed.items():
            log.warning("%s was not logged: %s", name, error)
        return (
            [
                left.Logged(m.name, logged[m.name]["model_id"], run_of[m.name], m.at, logged[m.name]["uri"])
                for m in models
                if m.name in logged
            ],
            [f"{name} was not logged: {error}" for name, error in failed.items()],
        )


def _of(found, why):
    return f" ({len(found)} are there, and {why})" if len(found) > 1 else ""


def _others(failed):
    return f" ({'; '.join(failed)})" if failed else ""


def record_end(registry, status, reason):
    """End the run with its reason. Each part by itself: what still works shall be recorded."""
    registry.hurry()
    for what, action in (
        ("tag the run with the reason", lambda: registry.tag("benchtop.failure", reason)),
        (f"set the run {status}", lambda: registry.end(status)),
    ):
        try:
            action()
        except Exception as err:
            log.error("could not %s: %s", what, err)


def run(env):
    stop = Stop()
    path = env.get("BENCHTOP_TERMINATION_LOG") or "/dev/termination-log"
    registry = work = None
    try:
        pushed = pushed_module.read(env)
        registry_module.wait(pushed)
        registry = rest.Registry(pushed)
        work = Work(pushed, registry, stop, dict(env))
        job.explain(work.run(), path)
        return 0
    except Killed:
        status, reason, code = "KILLED", "stopped by SIGTERM", 143
        message = reason
        log.error("%s", reason)
    except needs_module.NeedsEnvironment as err:
        log.info("%s needs an environment: %s", pushed.plan.what, err.why)
        job.explain(str(err), path)
        return err.exit_code
    except ScriptFailed as err:
        status, reason, message, code = "FAILED", err.reason, str(err), err.exit_code
        log.error("%s", message)
    except (Failure, NotReady) as err:
        status, reason, code = "FAILED", str(err), getattr(err, "exit_code", 1)
        message = reason
        log.error("%s", reason)
    except Exception as err:
        status, reason, code = "FAILED", f"{type(err).__name__}: {err}", job.UNEXPECTED
        message = reason
        log.exception("running the code failed")
    stop.hold()
    if work:
        work.stop()
    if registry and registry.run_id:
        record_end(registry, status, reason)
    job.explain(message, path)
    return code


def main():
    job.log_to(sys.stdout)
    return run(os.environ)


if __name__ == "__main__":
    sys.exit(main())
