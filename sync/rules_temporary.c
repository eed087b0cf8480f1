#include "sync/rules_temporary.h"

#include <ctype.h>

enum { RANDOM_LEN = 6 /* what mkstemp(3) puts in place of XXXXXX */, EXCEL_LEN = 8 };

/* The end of the name is what mkstemp(3) makes.  Six lower-case letters are more likely a word (one random
 * name in two hundred looks like that). */
static bool ends_randomly(const char *name, size_t len)
{
	bool odd = false;

	for (size_t i = len - RANDOM_LEN; i < len; i++) {
		if (!isalnum((unsigned char)name[i]))
			return false;
		odd |= !islower((unsigned char)name[i]);
	}
	return odd;
}

/* Eight hexadecimal digits as Excel writes them.  Only digits would be a date, only letters a word. */
static bool is_excel_number(const char *name, size_t len)
{
	bool digit = false, letter = false;

	for (size_t i = 0; i < len && i < EXCEL_LEN; i++) {
		digit |= isdigit((unsigned char)name[i]) != 0;
		letter |= name[i] >= 'A' && name[i] <= 'F';
	}
	return digit && letter;
}

#define HEX   "[0-9A-F]"
#define HEX8  HEX HEX HEX HEX HEX HEX HEX HEX
#define RULES (const struct temporary_rule[])

const struct temporary_group temporary_groups[] = {
	/* Swap files, and backups while a file is written.  The file `4913`, by which it tries whether one
	 * can be made, is gone at once, and might be somebody's. */
	{"vim", RULES{{".*.sw[a-p]", NULL}, {".sw[a-p]", NULL}, {"*~", NULL}, {NULL, NULL}}},
	/* Auto-save files, lock links, backups. */
	{"emacs", RULES{{"#*#", NULL}, {".#*", NULL}, {"*~", NULL}, {NULL, NULL}}},
	{"gnome", RULES{{".goutputstream-*", NULL}, {"*~", NULL}, {NULL, NULL}}},
	{"kate", RULES{{".*.kate-swp", NULL}, {NULL, NULL}}},
	/* Lock files, and what it writes beside a document before it replaces it. */
	{"libreoffice", RULES{{".~lock.*#", NULL}, {"lu[0-9]*.tmp", NULL}, {NULL, NULL}}},
	/* Owner files, Word's and PowerPoint's working copies, Excel's numbers. */
	{"msoffice", RULES{{"~$*", NULL},
			   {"~WR[A-Z]*.tmp", NULL},
			   {"~DF*.tmp", NULL},
			   {"ppt" HEX "*.tmp", NULL},
			   {HEX8 ".tmp", NULL},
			   {HEX8, is_excel_number},
			   {NULL, NULL}}},
	/* Downloads that are not complete yet. */
	{"browsers", RULES{{"*.part", NULL},
			   {"*.crdownload", NULL},
			   {"*.partial", NULL},
			   {"*.opdownload", NULL},
			   {".com.google.Chrome.*", NULL},
			   {NULL, NULL}}},
	{"macos", RULES{{"*.sb-[0-9a-f]*-*", NULL}, {NULL, NULL}}},
	{"rsync", RULES{{".*.??????", ends_randomly}, {".~tmp~/", NULL}, {NULL, NULL}}},
	{"sed", RULES{{"sed??????", ends_randomly}, {NULL, NULL}}},
	/* Files that are deleted and still open, as NFS servers, FUSE and Samba keep them. */
	{"servers",
	 RULES{{".nfs[0-9a-f]*", NULL}, {".fuse_hidden*", NULL}, {".smbdelete*", NULL}, {NULL, NULL}}},
	{NULL, NULL},
};
