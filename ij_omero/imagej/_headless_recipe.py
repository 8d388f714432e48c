"""Write ImageJ 1's headless classes as a jar: ``python _headless_recipe.py LIBJVM OUT.jar JARS...``.

Run as a program by ``_headless``, in a process of its own; it imports nothing of this package.

ij1-patcher does the main work. On top of it, its stand-in for ``GenericDialog`` is taught to tell what a command asks
for: a dialog that is filled in by the thread of this name adds one row per field to a list kept among the system
properties, refuses values that are no numbers or no choices (the original takes the first choice silently), and
cancels itself where only a description is wanted. Without that thread and list it does what it always did.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

THREAD_NAME = "Run$_ij_omero_Macro$"
FIELDS_PROPERTY = "ij_omero.dialog.fields"
DESCRIBE_PROPERTY = "ij_omero.dialog.describe"
DIALOG_CLASS = "net.imagej.patcher.HeadlessGenericDialog"
DIALOG_ENTRY = DIALOG_CLASS.replace(".", "/") + ".class"

_RECORDER = f"""
private static java.util.List ijOmeroFields() {{
  if (!"{THREAD_NAME}".equals(Thread.currentThread().getName())) return null;
  return (java.util.List) System.getProperties().get("{FIELDS_PROPERTY}");
}}"""
_RECORD = """
private static void ijOmeroRecord(String kind, String label, Object value, Object low, Object high, String[] items) {
  java.util.List fields = ijOmeroFields();
  if (fields != null) fields.add(new Object[] { kind, label == null ? "" : label, value, low, high, items });
}"""
_REFUSE = """
private static void ijOmeroRefuse(String kind, String label, String value, String[] items) {
  ijOmeroRecord(kind, label, value, null, null, items);
  throw new RuntimeException("Macro canceled");
}"""
_CHECK_NUMBER = """
private static void ijOmeroCheckNumber(String label) {
  if (ijOmeroFields() == null) return;
  String key = label == null ? "" : label;
  String value = ij.Macro.getValue(ij.Macro.getOptions(), key, null);
  if (value == null) return;
  boolean fine = true;
  try { Double.parseDouble(value); } catch (NumberFormatException e) { fine = false; }
  if (!fine) ijOmeroRefuse("bad number", key, value, null);
}"""
_CHECK_CHOICE = """
private static void ijOmeroCheckChoice(String label, String[] items) {
  if (ijOmeroFields() == null) return;
  String key = label == null ? "" : label;
  String value = ij.Macro.getValue(ij.Macro.getOptions(), key, null);
  if (value == null) return;
  boolean fine = false;
  for (int i = 0; i < items.length; i++) if (value.equals(items[i])) fine = true;
  if (!fine) ijOmeroRefuse("bad choice", key, value, items);
}"""
_BEFORE = {
    "addNumericField(java.lang.String,double)": 'ijOmeroRecord("number", $1, Double.valueOf($2), null, null, null);'
    "ijOmeroCheckNumber($1);",
    "addSlider(java.lang.String,double,double,double)": 'ijOmeroRecord("number", $1, Double.valueOf($4),'
    " Double.valueOf($2), Double.valueOf($3), null); ijOmeroCheckNumber($1);",
    "addStringField(java.lang.String,java.lang.String)": 'ijOmeroRecord("text", $1, $2, null, null, null);',
    "addChoice(java.lang.String,java.lang.String[],java.lang.String)": 'ijOmeroRecord("choice", $1, $3,'
    " null, null, $2);"
    "ijOmeroCheckChoice($1, $2);",
    "addCheckbox(java.lang.String,boolean)": 'ijOmeroRecord("flag", $1, Boolean.valueOf($2), null, null, null);',
    "addRadioButtonGroup(java.lang.String,java.lang.String[],int,int,java.lang.String)": 'ijOmeroRecord("choice",'
    " $1, $5, null, null, $2); ijOmeroCheckChoice($1, $2);",
    "wasCanceled()": f'if (ijOmeroFields() != null && System.getProperty("{DESCRIBE_PROPERTY}") != null) return true;',
    "wasOKed()": f'if (ijOmeroFields() != null && System.getProperty("{DESCRIBE_PROPERTY}") != null) return false;',
    # a listener may act on the image, which a description must not
    "showDialog()": f'if (ijOmeroFields() != null && System.getProperty("{DESCRIBE_PROPERTY}") != null) return;',
    # the original drops these fields, and the command then fails on the text that it does not find
    "addFileField(java.lang.String,java.lang.String)": "addStringField($1, $2);",
    "addFileField(java.lang.String,java.lang.String,int)": "addStringField($1, $2);",
    "addDirectoryField(java.lang.String,java.lang.String)": "addStringField($1, $2);",
    "addDirectoryField(java.lang.String,java.lang.String,int)": "addStringField($1, $2);",
}


def main(jvm_library: str, out: str, *jars: str) -> None:
    """Start a JVM with the jars, let ij1-patcher write its classes, then add the recorder to its dialog."""
    import jpype

    jpype.startJVM(
        "-Djava.awt.headless=true",
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "--add-opens=java.base/java.util=ALL-UNNAMED",
        jvmpath=jvm_library,
        classpath=list(jars),
    )
    patched = Path(out + ".patched")
    try:
        jpype.JClass("net.imagej.patcher.LegacyInjector").writeJar(
            jpype.JClass("java.io.File")(str(patched)), True, False
        )
        dialog = recording_dialog(patched)
        with zipfile.ZipFile(patched) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
            # the same bytes each time, so that what was made for this jar fits one that is made again
            for name in sorted(source.namelist()):
                written = zipfile.ZipInfo(name)
                written.compress_type = zipfile.ZIP_DEFLATED
                target.writestr(written, dialog if name == DIALOG_ENTRY else source.read(name))
    finally:
        patched.unlink(missing_ok=True)


def recording_dialog(patched: Path) -> bytes:
    """Compile the recorder into ij1-patcher's dialog; return the class file."""
    import jpype

    pool: Any = jpype.JClass("javassist.ClassPool")(False)
    pool.appendSystemPath()
    pool.insertClassPath(str(patched))
    dialog = pool.get(DIALOG_CLASS)
    make = jpype.JClass("javassist.CtNewMethod").make
    for source in (_RECORDER, _RECORD, _REFUSE, _CHECK_NUMBER, _CHECK_CHOICE):
        dialog.addMethod(make(source, dialog))
    signatures = {str(m.getLongName()).removeprefix(DIALOG_CLASS + "."): m for m in dialog.getDeclaredMethods()}
    for signature, source in _BEFORE.items():
        signatures[signature].insertBefore("{" + source + "}")
    return bytes(dialog.toBytecode())


if __name__ == "__main__":
    main(*sys.argv[1:])
