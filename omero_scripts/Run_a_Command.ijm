#@script (description="Runs a command of ImageJ's menus on each image, e.g. Gaussian Blur... with sigma=2.")
#@ Dataset (label="Image") image
#@ String (label="Command", value="Gaussian Blur...", description="As in the menu") command
#@ String (label="Options", value="", required=false, description="As a macro writes them, e.g. sigma=2 stack. On a command line write sigma:2 stack") options
if (indexOf(options, "=") < 0) options = replace(options, ":", "=");
run(command, options);
