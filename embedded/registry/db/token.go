package db

import (
	"encoding/base64"
	"encoding/json"
	"hash/fnv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// A page token says where the last page ended: the sort values of its last
// row, not a count of rows. Rows that are inserted or removed meanwhile shift
// nothing. It carries a hash of the query it belongs to, because with another
// query it would silently give wrong pages.
type pageToken[T any] struct {
	Query uint32 `json:"q"`
	At    T      `json:"a"`
}

// EncodeToken writes where a page of a query ended.
func EncodeToken[T any](query string, at T) string {
	b, err := json.Marshal(pageToken[T]{hashOf(query), at})
	if err != nil {
		panic(err) // tokens are made of numbers and strings
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeToken reads where a page of a query begins.
func DecodeToken[T any](token, query string) (T, error) {
	var p pageToken[T]
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		return p.At, &mlops.Error{Code: mlops.Invalid, Message: "the page token is not one that this server gave: start again without page_token", Err: err}
	}
	if p.Query != hashOf(query) {
		return p.At, mlops.Errorf(mlops.Invalid, "the page token belongs to another query: filter, order and experiments must stay the same from page to page")
	}
	return p.At, nil
}

func hashOf(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return h.Sum32()
}
