"""The real MLflow client against our server: traces, assessments, prompts, webhooks."""

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource


def traced(experiment):
    mlflow.set_experiment(experiment)

    @mlflow.trace(name="outer", attributes={"k": "v"})
    def outer(x):
        with mlflow.start_span("inner", span_type="TOOL") as span:
            span.set_inputs({"question": "why ünïcode?"})
            span.set_attribute("list", [1, 2.5, "x", None, {"a": True}])
        if x < 0:
            raise ValueError("negative")
        return {"answer": x + 1}

    outer(3)
    with pytest.raises(ValueError):
        outer(-1)
    mlflow.flush_trace_async_logging()


def test_traces(server):
    traced("traces")
    found = mlflow.search_traces(return_type="list", order_by=["timestamp_ms ASC"])
    assert [t.info.state.value for t in found] == ["OK", "ERROR"]
    good = mlflow.get_trace(found[0].info.trace_id)
    spans = {s.name: s for s in good.data.spans}
    assert set(spans) == {"outer", "inner"}
    assert spans["outer"].outputs == {"answer": 4} and spans["outer"].inputs == {"x": 3}
    assert spans["inner"].parent_id == spans["outer"].span_id
    assert spans["inner"].attributes["list"] == [1, 2.5, "x", None, {"a": True}]
    assert spans["inner"].inputs == {"question": "why ünïcode?"}
    assert good.info.request_preview and good.info.execution_duration is not None
    one = lambda f: [t.info.trace_id for t in mlflow.search_traces(filter_string=f, return_type="list")]
    assert one("attributes.status = 'ERROR'") == [found[1].info.trace_id]
    assert len(one("attributes.name = 'outer'")) == 2
    assert one("attributes.name = 'nothing'") == []
    assert len(one("span.name = 'inner' AND span.type = 'TOOL'")) == 2
    assert len(one("attributes.timestamp_ms > 0 AND attributes.name LIKE 'out%'")) == 2
    mlflow.set_trace_tag(found[0].info.trace_id, "colour", "green")
    assert one("tags.colour = 'green'") == [found[0].info.trace_id]
    mlflow.delete_trace_tag(found[0].info.trace_id, "colour")
    assert one("tags.colour = 'green'") == []
    client = MlflowClient()
    assert client.delete_traces(found[0].info.experiment_id, trace_ids=[found[1].info.trace_id]) == 1
    assert len(mlflow.search_traces(return_type="list")) == 1


def test_assessments(server):
    traced("assessments")
    trace_id = mlflow.search_traces(return_type="list")[0].info.trace_id
    human = AssessmentSource(source_type="HUMAN", source_id="me")
    made = mlflow.log_feedback(trace_id=trace_id, name="quality", value=0.75, source=human, rationale="fine")
    mlflow.log_expectation(trace_id=trace_id, name="answer", value="42", source=human)
    got = {a.name: a for a in mlflow.get_trace(trace_id).info.assessments}
    assert got["quality"].value == 0.75 and got["quality"].rationale == "fine" and got["answer"].value == "42"
    assert len(mlflow.search_traces(filter_string="feedback.quality > 0.5", return_type="list")) == 1
    assert len(mlflow.search_traces(filter_string="feedback.quality > 0.9", return_type="list")) == 0
    assert len(mlflow.search_traces(filter_string="expectation.answer = '42'", return_type="list")) == 1
    mlflow.update_assessment(trace_id, made.assessment_id, mlflow.entities.Feedback(name="quality", value=0.95))
    assert mlflow.get_assessment(trace_id, made.assessment_id).value == 0.95
    mlflow.delete_assessment(trace_id, made.assessment_id)
    assert [a.name for a in mlflow.get_trace(trace_id).info.assessments] == ["answer"]


def test_prompts(server):
    mlflow.genai.register_prompt(name="greet", template="Hello {{name}}", commit_message="first")
    mlflow.genai.register_prompt(name="greet", template="Hi {{name}}")
    mlflow.genai.set_prompt_alias("greet", alias="prod", version=1)
    assert mlflow.genai.load_prompt("prompts:/greet@prod").format(name="you") == "Hello you"
    assert mlflow.genai.load_prompt("prompts:/greet/2").template == "Hi {{name}}"
    assert [p.name for p in mlflow.genai.search_prompts()] == ["greet"]
    assert "greet" not in [m.name for m in MlflowClient().search_registered_models()]


def test_webhooks(server):
    client = MlflowClient()
    hook = client.create_webhook("hook", "http://127.0.0.1:9/x", ["registered_model.created"], description="d", secret="s")
    assert client.get_webhook(hook.webhook_id).name == "hook"
    assert [w.webhook_id for w in client.list_webhooks()] == [hook.webhook_id]
    result = client.test_webhook(hook.webhook_id)
    assert not result.success and "refused" in result.error_message
    client.update_webhook(hook.webhook_id, status="DISABLED")
    assert client.get_webhook(hook.webhook_id).status.value == "DISABLED"
    client.delete_webhook(hook.webhook_id)
    assert client.list_webhooks() == []
