"""boto3 with a key of one project and one bucket. Arguments: endpoint, name, token."""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, name, token = sys.argv[1:4]
s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=name, aws_secret_access_key=token, region_name="us-east-1",
                  config=Config(retries={"max_attempts": 1}))
s3.put_object(Bucket="doors-iris", Key="a/b.txt", Body=b"hello")
assert s3.get_object(Bucket="doors-iris", Key="a/b.txt")["Body"].read() == b"hello"
assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["doors-iris"]
for bucket in ("mlflow", "datasets"):
    for call in (
        lambda: s3.list_objects_v2(Bucket=bucket),
        lambda: s3.get_object(Bucket=bucket, Key="1/x"),
        lambda: s3.put_object(Bucket=bucket, Key="1/x", Body=b"x"),
        lambda: s3.copy_object(Bucket="doors-iris", Key="stolen", CopySource=f"{bucket}/1/x"),
    ):
        try:
            call()
        except ClientError as err:
            assert err.response["Error"]["Code"] in ("AccessDenied", "403"), err
        else:
            raise AssertionError("was allowed")
print("all good")
