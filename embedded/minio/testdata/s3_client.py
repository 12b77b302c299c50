"""Talks to the object store as users do: with boto3, through the public address."""

import hashlib
import json
import sys
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint = sys.argv[1]


def client(key, secret):
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def denied(call, *codes):
    try:
        call()
    except ClientError as err:
        status = err.response["ResponseMetadata"]["HTTPStatusCode"]
        code = err.response.get("Error", {}).get("Code", str(status))
        assert code in (codes or ("AccessDenied",)), f"refused with {code}: {err}"
        return
    raise AssertionError("was allowed")


def body(s3, **what):
    return s3.get_object(**what)["Body"].read()


def registry():
    s3 = client("registry-key", "registry-secret")
    # Put and get, with a key that needs quoting, and with a checksum trailer.
    key = "boto/ключ with space+plus/model.json"
    s3.put_object(Bucket="mlflow", Key=key, Body=b"{}", ContentType="application/json", Metadata={"run": "1"})
    head = s3.head_object(Bucket="mlflow", Key=key)
    assert head["ContentType"] == "application/json", head
    assert {k.lower(): v for k, v in head["Metadata"].items()} == {"run": "1"}, head  # MinIO capitalises
    assert body(s3, Bucket="mlflow", Key=key) == b"{}"
    assert body(s3, Bucket="mlflow", Key=key, Range="bytes=1-1") == b"}"
    # List in pages.
    for i in range(7):
        s3.put_object(Bucket="mlflow", Key=f"boto/list/{i}", Body=str(i).encode(), ChecksumAlgorithm="SHA256")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="mlflow", Prefix="boto/list/", PaginationConfig={"PageSize": 3}
    )
    keys = [o["Key"] for page in pages for o in page.get("Contents", [])]
    assert keys == [f"boto/list/{i}" for i in range(7)], keys
    # Multipart, both ways.
    data = bytes(range(256)) * (12 << 12)  # 12 MiB
    transfer = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=3)
    with open(sys.argv[2], "wb") as f:
        f.write(data)
    s3.upload_file(sys.argv[2], "mlflow", "boto/big", Config=transfer)
    assert "-3" in s3.head_object(Bucket="mlflow", Key="boto/big")["ETag"]
    s3.download_file("mlflow", "boto/big", sys.argv[2] + ".back", Config=transfer)
    with open(sys.argv[2] + ".back", "rb") as f:
        assert hashlib.sha256(f.read()).digest() == hashlib.sha256(data).digest()
    # Copy, conditional write, delete many.
    s3.copy_object(Bucket="mlflow", Key="boto/copy", CopySource={"Bucket": "mlflow", "Key": key})
    assert body(s3, Bucket="mlflow", Key="boto/copy") == b"{}"
    denied(lambda: s3.put_object(Bucket="mlflow", Key="boto/copy", Body=b"x", IfNoneMatch="*"), "PreconditionFailed")
    gone = s3.delete_objects(Bucket="mlflow", Delete={"Objects": [{"Key": k} for k in keys]})
    assert len(gone["Deleted"]) == 7, gone
    # Presigned, by a client that knows nothing but the URL.
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "mlflow", "Key": "boto/presigned"}, ExpiresIn=60)
    req = urllib.request.Request(url, data=b"signed", method="PUT")
    assert urllib.request.urlopen(req).status == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "mlflow", "Key": "boto/presigned"}, ExpiresIn=60)
    assert urllib.request.urlopen(url).read() == b"signed"
    try:
        urllib.request.urlopen(url.replace("presigned", "copy"))
        raise AssertionError("a signature was good for another object")
    except urllib.error.HTTPError as err:
        assert err.code == 403
    # Its rights end at its bucket.
    denied(lambda: s3.list_objects_v2(Bucket="datasets"))
    denied(lambda: s3.put_object(Bucket="datasets", Key="x", Body=b""))
    denied(lambda: s3.create_bucket(Bucket="another"))
    denied(lambda: s3.delete_bucket(Bucket="mlflow"))
    denied(lambda: s3.put_bucket_policy(Bucket="mlflow", Policy=json.dumps({"Version": "2012-10-17", "Statement": []})))
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert names in ([], ["mlflow"]), names


def trainer():
    s3 = client("trainer-key", "trainer-secret")
    assert body(s3, Bucket="datasets", Key="iris/data.csv") == b"new"
    denied(lambda: s3.get_object(Bucket="datasets", Key="wine/data.csv"))
    denied(lambda: s3.put_object(Bucket="datasets", Key="iris/data.csv", Body=b"x"))
    denied(lambda: s3.delete_object(Bucket="datasets", Key="iris/data.csv"))
    denied(lambda: s3.list_objects_v2(Bucket="datasets"))
    denied(lambda: s3.get_object(Bucket="mlflow", Key="boto/copy"))


def versions():
    key, secret = sys.argv[3:5]
    s3 = client(key, secret)
    assert s3.get_bucket_versioning(Bucket="datasets")["Status"] == "Enabled"
    s3.put_object(Bucket="datasets", Key="wine/data.csv", Body=b"wine")
    first = s3.put_object(Bucket="datasets", Key="iris/data.csv", Body=b"old")["VersionId"]
    second = s3.put_object(Bucket="datasets", Key="iris/data.csv", Body=b"new")["VersionId"]
    assert first != second
    assert body(s3, Bucket="datasets", Key="iris/data.csv") == b"new"
    assert body(s3, Bucket="datasets", Key="iris/data.csv", VersionId=first) == b"old"
    listed = s3.list_object_versions(Bucket="datasets", Prefix="iris/data.csv")["Versions"]
    assert {first, second} <= {v["VersionId"] for v in listed}, listed


def strangers():
    denied(lambda: client("server-key", "server-secret").get_object(Bucket="mlflow", Key="boto/copy"))
    denied(lambda: client("server-key", "server-secret").list_objects_v2(Bucket="mlflow"))
    denied(lambda: client("nobody", "nobody-secret").list_buckets(), "InvalidAccessKeyId")
    denied(lambda: client("registry-key", "wrong-secret").list_buckets(), "SignatureDoesNotMatch")
    sts = boto3.client(
        "sts",
        endpoint_url=endpoint,
        aws_access_key_id="registry-key",
        aws_secret_access_key="registry-secret",
        region_name="us-east-1",
    )
    role = "arn:aws:iam::123456789012:role/x"
    denied(lambda: sts.assume_role(RoleArn=role, RoleSessionName="session"), "AccessDenied", "403")


versions()
registry()
trainer()
strangers()
print("all good")
