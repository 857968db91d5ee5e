#
# meta.pl
#	  Whether META.json is what PGXN's specification 1.0.0 asks for.
#
# NOTES
#	  usage: meta.pl FOLDER, an unpacked distribution.  Prints what is wrong.

use strict;
use warnings;

use JSON::PP;

my ($folder) = @ARGV;
die "usage: meta.pl FOLDER\n" unless defined $folder;

my @problems;
my $semantic = qr/^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-?[A-Za-z][0-9A-Za-z-]*)?$/;
my %licences = map { $_ => 1 } qw(agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd gfdl_1_2 gfdl_1_3
  gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0 mit mozilla_1_0 mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun
  zlib open_source restricted unrestricted unknown);

sub slurp
{
	my ($name) = @_;
	open my $handle, '<:raw', $name or die "cannot read $name: $!\n";
	local $/;
	return scalar <$handle>;
}

sub problem
{
	push @problems, join '', @_;
}

sub text
{
	my ($value, $name) = @_;

	problem("$name is missing, empty or no text") unless defined $value && !ref $value && $value =~ /\S/;
	return $value // '';
}

sub term
{
	my ($value, $name) = @_;

	problem("$name is no term: two characters or more, without spaces, / and \\")
	  unless text($value, $name) =~ m{^[^\s/\\[:cntrl:]]{2,}$};
}

sub version
{
	my ($value, $name) = @_;

	problem("$name is no semantic version") unless text($value, $name) =~ $semantic;
}

# A text, or a list of some.
sub texts
{
	my ($value, $name) = @_;
	my @list = ref $value eq 'ARRAY' ? @$value : ($value);

	problem("$name is empty") unless @list;
	text($_, $name) foreach @list;
	return @list;
}

my $meta = decode_json(slurp("$folder/META.json"));

term($meta->{name}, 'name');
version($meta->{version}, 'version');
text($meta->{abstract}, 'abstract');
texts($meta->{maintainer}, 'maintainer');
problem("the folder is not NAME-VERSION") unless $folder =~ m{(?:^|/)\Q$meta->{name}-$meta->{version}\E/?$};

if (ref $meta->{license} eq 'HASH')
{
	problem('license is empty') unless %{ $meta->{license} };
	problem("license $_ has no URL") foreach grep { $meta->{license}{$_} !~ m{^https?://\S+$} } keys %{ $meta->{license} };
}
else
{
	problem("license $_ is not known: give a name and its URL") foreach grep { !$licences{$_} } texts($meta->{license}, 'license');
}

problem('meta-spec is not version 1.0.0') unless ($meta->{'meta-spec'}{version} // '') =~ /^1\.0\.\d+$/;
problem('meta-spec has no URL') unless ($meta->{'meta-spec'}{url} // '') =~ m{^https?://pgxn\.org/meta/spec\.txt$};

my $provides = $meta->{provides};
problem('provides is empty') unless ref $provides eq 'HASH' && %$provides;
foreach my $name (sort keys %{ $provides // {} })
{
	my $extension = $provides->{$name};

	term($name, 'name of an extension');
	version($extension->{version}, "version of $name");
	text($extension->{abstract}, "abstract of $name") if exists $extension->{abstract};
	foreach my $file (map { $extension->{$_} } grep { $_ eq 'file' || exists $extension->{$_} } qw(file docfile))
	{
		problem("$name: there is no file " . ($file // '')) unless defined $file && -f "$folder/$file";
	}
	my $control = -f "$folder/$name.control" ? slurp("$folder/$name.control") : '';
	problem("$name.control has another version") unless $control =~ /^default_version\s*=\s*'\Q$extension->{version}\E'$/m;
}

foreach my $phase (sort keys %{ $meta->{prereqs} // {} })
{
	problem("prereqs: $phase is no phase") unless $phase =~ /^(configure|build|test|runtime|develop)$/;
	foreach my $relation (sort keys %{ $meta->{prereqs}{$phase} })
	{
		problem("prereqs: $relation is no relationship") unless $relation =~ /^(requires|recommends|suggests|conflicts)$/;
		my $needed = $meta->{prereqs}{$phase}{$relation};
		foreach my $name (sort keys %$needed)
		{
			foreach my $range (split /\s*,\s*/, $needed->{$name})
			{
				(my $number = $range) =~ s/^(?:[<>]=?|[!=]=)\s*//;
				version($number, "prereqs: version of $name") unless $number eq '0';
			}
		}
	}
}

problem('release_status is not stable, testing or unstable')
  if exists $meta->{release_status} && $meta->{release_status} !~ /^(stable|testing|unstable)$/;
foreach my $tag (texts($meta->{tags} // 'none', 'tags'))
{
	problem("tag \"$tag\" has / or \\, or is too long") if $tag =~ m{[/\\[:cntrl:]]} || length $tag > 255;
}
my %known = map { $_ => 1 } qw(abstract description generated_by license maintainer meta-spec name no_index prereqs
  provides release_status resources tags version date);
problem("$_ is not in the specification") foreach grep { !$known{$_} && !/^x_/i } sort keys %$meta;

print "$_\n" foreach @problems;
exit(@problems ? 1 : 0);
