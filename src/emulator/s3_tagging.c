/* Object tags: GetObjectTagging, PutObjectTagging, DeleteObjectTagging. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "metadata.h"
#include "objects.h"
#include "operations.h"
#include "permit.h"
#include "s3_object.h"
#include "s3apfs/aws/xml.h"

#define TAGGING_BODY_MAX ((size_t)64 << 10)

void op_get_object_tagging(struct exchange *x) {
  int fd;
  struct object_info o;
  if (object_open(x, &x->to, "s3:GetObjectTagging", &fd, &o))
    return;
  close(fd);
  struct buf *out = reply_xml(x, 200);
  xml_open(out, "Tagging xmlns=\"" S3_XML_NAMESPACE "\"");
  xml_open(out, "TagSet");
  for (size_t i = 0; i < o.tags.count; i++) {
    xml_open(out, "Tag");
    xml_element(out, "Key", o.tags.items[i].name);
    xml_element(out, "Value", o.tags.items[i].value);
    xml_close(out, "Tag");
  }
  xml_close(out, "TagSet");
  xml_close(out, "Tagging");
  object_info_fini(&o);
}

static int parse_tags(struct exchange *x, struct kvlist *out) {
  const char *text;
  size_t len;
  struct xml_doc *doc;
  int err = exchange_load_body(x, TAGGING_BODY_MAX, &text, &len);
  if (err)
    return err;
  if (xml_parse(text, len, &doc))
    return reply_error(x, 400, "MalformedXML",
                       "The XML you provided was not well-formed or did not validate against our "
                       "published schema");
  const struct xml_node *set = xml_child(xml_root(doc), "TagSet");
  for (const struct xml_node *t = xml_first(set, "Tag"); !err && t; t = xml_next(t, "Tag"))
    err = kvlist_add(out, xml_child_text(t, "Key"), xml_child_text(t, "Value"));
  if (err)
    err = reply_error(x, 500, "InternalError", "Out of memory.");
  else if (!set)
    err = reply_error(x, 400, "MalformedXML", "The XML you provided has no TagSet.");
  xml_free(doc);
  return err ? err : metadata_check_tags(x, out);
}

static void set_tags(struct exchange *x, const char *action, const struct kvlist *tags,
                     int status) {
  int fd;
  struct object_info o;
  if (object_open(x, &x->to, action, &fd, &o))
    return;
  close(fd);
  struct permit what = {.object = &o, .new_tags = tags};
  int err = permit(x, &x->to, action, &what);
  if (!err && objects_set_tags(x->emulator->objects, x->to.bucket, x->to.key, tags))
    err = reply_error(x, 500, "InternalError", "The tags cannot be stored.");
  if (!err)
    reply_status(x, status);
  object_info_fini(&o);
}

void op_put_object_tagging(struct exchange *x) {
  struct kvlist tags;
  kvlist_init(&tags);
  if (parse_tags(x, &tags) == 0)
    set_tags(x, "s3:PutObjectTagging", &tags, 200);
  kvlist_fini(&tags);
}

void op_delete_object_tagging(struct exchange *x) {
  struct kvlist none;
  kvlist_init(&none);
  set_tags(x, "s3:DeleteObjectTagging", &none, 204);
}
