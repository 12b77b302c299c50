"""boto3 with an access key: what it may and may not do. Arguments: endpoint, name, token, rw or ro."""

import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, name, token, mode = sys.argv[1:5]
s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=name, aws_secret_access_key=token, region_name="us-east-1",
                  config=Config(retries={"max_attempts": 1}))


def denied(call):
    try:
        call()
    except ClientError as err:
        assert err.response["Error"]["Code"] in ("AccessDenied", "403"), err
        return
    raise AssertionError("was allowed")


if mode == "rw":
    s3.put_object(Bucket="doors-data", Key="boto/a.txt", Body=b"hello")
    with open(sys.argv[5], "wb") as f:
        f.write(bytes(range(256)) * (6 << 12) + b"x")  # 6 MiB and a byte: two parts
    s3.upload_file(sys.argv[5], "doors-data", "boto/big", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
    assert s3.head_object(Bucket="doors-data", Key="boto/big")["ETag"].strip('"').endswith("-2")
    s3.copy_object(Bucket="doors-data", Key="boto/copy", CopySource="doors-data/boto/big")
    s3.put_object_tagging(Bucket="doors-data", Key="boto/copy", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_objects(Bucket="doors-data", Delete={"Objects": [{"Key": "boto/copy"}, {"Key": "boto/big"}]})
else:
    denied(lambda: s3.put_object(Bucket="doors-data", Key="boto/forged", Body=b"x"))
    denied(lambda: s3.delete_object(Bucket="doors-data", Key="boto/a.txt"))
assert s3.get_object(Bucket="doors-data", Key="boto/a.txt")["Body"].read() == b"hello"
assert [o["Key"] for o in s3.list_objects_v2(Bucket="doors-data", Prefix="boto/")["Contents"]] == ["boto/a.txt"]
assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["doors-data"]
for bucket in ("mlflow", "datasets"):
    denied(lambda: s3.list_objects_v2(Bucket=bucket))
    denied(lambda: s3.put_object(Bucket=bucket, Key="forged", Body=b"x"))
denied(lambda: s3.create_bucket(Bucket="doors-mine"))
denied(lambda: s3.delete_bucket(Bucket="doors-data"))
print("all good")
