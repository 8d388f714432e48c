#@script (description="Runs an ImageJ macro, given as text, on each image.")
#@ Dataset (label="Image") image
#@ String (label="Macro", description="As in ImageJ's editor, e.g. run('Invert'); single quotes may stand for double ones", style="text area") macro_text
eval(replace(macro_text, "'", "\""));
