package minio

import (
	"bytes"
	"encoding/base64"
	"io"
	"testing"

	miniogo "github.com/minio/minio-go/v7"
)

// What reads bzip2 makes its tables at the first such file: scripts/patch.
func TestSelectReadsBzip2(t *testing.T) {
	t.Parallel()
	// species,area / setosa,1.5 / virginica,7, as bzip2 writes it
	table, err := base64.StdEncoding.DecodeString("QlpoOTFBWSZTWbBm4ZkAABDZgAAQAAUigCqh3QAgACImE9JoGmhTTIxMTEACFLhzhoXTTKhev2hT8XNUSH8XckU4UJCwZuGZ")
	if err != nil {
		t.Fatal(err)
	}
	s3 := s3Client(t, sharedUnit(t).Addr(), "registry-key", "registry-secret")
	if _, err := s3.PutObject(t.Context(), "mlflow", "select/table.csv.bz2", bytes.NewReader(table), int64(len(table)), miniogo.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	rows, err := s3.SelectObjectContent(t.Context(), "mlflow", "select/table.csv.bz2", miniogo.SelectObjectOptions{
		Expression: "SELECT s.species FROM S3Object s WHERE CAST(s.area AS FLOAT) > 2", ExpressionType: miniogo.QueryExpressionTypeSQL,
		InputSerialization:  miniogo.SelectObjectInputSerialization{CompressionType: miniogo.SelectCompressionBZIP, CSV: &miniogo.CSVInputOptions{FileHeaderInfo: miniogo.CSVFileHeaderInfoUse, RecordDelimiter: "\n", FieldDelimiter: ","}},
		OutputSerialization: miniogo.SelectObjectOutputSerialization{CSV: &miniogo.CSVOutputOptions{RecordDelimiter: "\n", FieldDelimiter: ","}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	if got, err := io.ReadAll(rows); err != nil || string(got) != "virginica\n" {
		t.Errorf("got %q, %v", got, err)
	}
}
