using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>Limits columns, lines of methods and lines of files.</summary>
public sealed partial class StyleTests
{
    private const int MaxColumns = 140, MaxMethodLines = 70, MaxFileLines = 400;

    [Fact]
    public void Lines_OfCodeAndDocuments_FitInto140Columns() =>
        Rule.HasNoExceptions(Product.Code.Concat(Product.TextFiles.Where(file => Path.GetExtension(file) is ".sh" or ".razor"))
            .SelectMany(file => Long(file, File.ReadLines(Product.Full(file)).Index()))
            .Concat(Product.Documents.SelectMany(file => Long(file, Prose(file)))));

    [Fact]
    public void Methods_OfAnyKind_HaveAtMost70Lines() =>
        Rule.HasNoExceptions(Product.Code.SelectMany(file => CSharpSyntaxTree.ParseText(Product.Read(file), path: file).GetRoot()
            .DescendantNodes()
                .Where(node => node is BaseMethodDeclarationSyntax or AccessorDeclarationSyntax or LocalFunctionStatementSyntax)
            .Select(node => (node, lines: LinesOf(node))).Where(method => method.lines > MaxMethodLines)
            .Select(method => $"{file}:{FirstLineOf(method.node)}: {method.lines} lines")));

    [Fact]
    public void Files_OfCode_HaveAtMost400Lines() =>
        Rule.HasNoExceptions(Product.Code.Select(file => (file, lines: File.ReadLines(Product.Full(file)).Count()))
            .Where(file => file.lines > MaxFileLines).Select(file => $"{file.file} has {file.lines} lines"));

    /// <summary><c>dotnet format whitespace</c>, which CI runs, does not look at this.</summary>
    [Fact]
    public void Usings_OfAFile_AreSorted() =>
        Rule.HasNoExceptions(Product.Code.Where(file =>
            {
                // A using behind #if has a block of its own.
                var code = Product.Read(file).Split("\n#", 2)[0];
                string[] names = [.. Usings().Matches(code).Select(match => match.Groups[1].Value)];
                return !names.SequenceEqual(names.OrderBy(name => name.StartsWith("System", StringComparison.Ordinal) ? 0 : 1)
                    .ThenBy(name => name, StringComparer.OrdinalIgnoreCase));
            })
            .Select(file => $"{file}: run dotnet format."));

    private static IEnumerable<string> Long(string file, IEnumerable<(int Index, string Line)> lines) =>
        lines.Where(line => line.Line.Length > MaxColumns).Select(line => $"{file}:{line.Index + 1}: {line.Line.Length} columns");

    // Tables, code and lone links cannot be wrapped.
    private static IEnumerable<(int Index, string Line)> Prose(string file)
    {
        var isCode = false;
        foreach (var (index, line) in File.ReadLines(Product.Full(file)).Index())
        {
            if (line.TrimStart().StartsWith("```", StringComparison.Ordinal))
                isCode = !isCode;
            else if (!isCode && !line.StartsWith('|') && !LinkAlone().IsMatch(line))
                yield return (index, line);
        }
    }

    // Counts the lines of a declaration, without leading comments and attributes.
    private static int LinesOf(SyntaxNode node)
    {
        var lines = node.SyntaxTree.GetLineSpan(node.Span);
        return lines.EndLinePosition.Line - lines.StartLinePosition.Line + 1;
    }

    private static int FirstLineOf(SyntaxNode node) => node.SyntaxTree.GetLineSpan(node.Span).StartLinePosition.Line + 1;

    [GeneratedRegex(@"^\s*!?\[[^\]]*\]\([^)]*\)\s*$")]
    private static partial Regex LinkAlone();

    [GeneratedRegex(@"^using ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Usings();
}
