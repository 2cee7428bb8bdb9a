using System.Text;
using System.Text.RegularExpressions;
using Microsoft.SqlServer.TransactSql.ScriptDom;

namespace ConcertSaga.SqlServer.Tests.Emulation;

/// <summary>
/// Translates the T-SQL that the product uses into SQL of SQLite. It works on the parsed statement and edits only what differs. Invalid
/// T-SQL fails here; unsupported T-SQL fails in SQLite.
/// </summary>
internal sealed partial class SqliteTranslation : TSqlFragmentVisitor
{
    private readonly string _text;
    private readonly Func<string, long> _nextKey;
    private readonly List<(int Start, int Length, string Text)> _edits = [];
    private string _returning = "";

    private SqliteTranslation(string text, Func<string, long> nextKey)
    {
        _text = text;
        _nextKey = nextKey;
    }

    /// <param name="text">T-SQL.</param>
    /// <param name="nextKey">Returns the key that the next row of a table will get.</param>
    public static string Of(string text, Func<string, long> nextKey)
    {
        var result = new StringBuilder();
        foreach (var statement in Sql.Parse(text).Batches.SelectMany(batch => batch.Statements))
        {
            if (statement is PredicateSetStatement)
                continue;
            result.Append(new SqliteTranslation(text, nextKey).Translate(statement)).Append(";\n");
        }
        return result.ToString();
    }

    public override void ExplicitVisit(QuerySpecification node)
    {
        var limit = "";
        if (node.TopRowFilter is { } top)
        {
            Cut(top);
            limit = $" LIMIT {Text(top.Expression)}";
        }
        if (node.OffsetClause is { } offset)
        {
            Cut(offset);
            limit = $" LIMIT {Text(offset.FetchExpression)} OFFSET {Text(offset.OffsetExpression)}";
        }
        base.ExplicitVisit(node);
        if (limit.Length > 0)
            _edits.Add((node.StartOffset + node.FragmentLength, 0, limit));
    }

    public override void ExplicitVisit(StringLiteral node)
    {
        if (node.IsNational)
            _edits.Add((node.StartOffset, 1, ""));
    }

    // SQLite knows no length "max".
    public override void ExplicitVisit(CastCall node)
    {
        if (node.DataType is SqlDataTypeReference { Parameters: [MaxLiteral] })
            Replace(node.DataType, "text");
        node.Parameter.Accept(this);
    }

    // SQLite compares bytes, as the collation of the product does.
    public override void ExplicitVisit(ColumnReferenceExpression node)
    {
        if (node.Collation is not null)
            Replace(node, Text(node.MultiPartIdentifier));
        else
            base.ExplicitVisit(node);
    }

    public override void ExplicitVisit(OpenJsonTableReference node) => Replace(node, Rows(node));

    public override void ExplicitVisit(OutputClause node)
    {
        Cut(node);
        _returning = " RETURNING " + Inserted().Replace(string.Join(", ", node.SelectColumns.Select(Text)), "");
    }

    public override void ExplicitVisit(UpdateSpecification node)
    {
        if (node.FromClause is { TableReferences: [NamedTableReference table] } from)
        {
            Replace(node.Target, $"{Text(table.SchemaObject)} AS {Text(table.Alias)}");
            Cut(from);
        }
        else if (node.FromClause
            is
        {
            TableReferences: [QualifiedJoin
            {
                FirstTableReference: NamedTableReference joined,
                SecondTableReference: OpenJsonTableReference rows
            } join]
        } joinedFrom)
        {
            Replace(node.Target, $"{Text(joined.SchemaObject)} AS {Text(joined.Alias)}");
            Replace(joinedFrom, $"FROM (SELECT * FROM {Rows(rows)}) AS {Text(rows.Alias)}");
            _edits.Add((node.WhereClause!.StartOffset + node.WhereClause.FragmentLength, 0, $" AND {Text(join.SearchCondition)}"));
        }
        foreach (var set in node.SetClauses.OfType<AssignmentSetClause>())
        {
            Replace(set.Column, Text(set.Column.MultiPartIdentifier.Identifiers[^1]));
            set.NewValue.Accept(this);
        }
        node.WhereClause?.Accept(this);
        node.OutputClause?.Accept(this);
    }

    public override void ExplicitVisit(DeleteSpecification node)
    {
        if (node.FromClause is { TableReferences: [NamedTableReference table] } from)
        {
            Replace(node.Target, $"{Text(table.SchemaObject)} AS {Text(table.Alias)}");
            Cut(from);
        }
        node.WhereClause?.Accept(this);
        node.OutputClause?.Accept(this);
    }

    private string Translate(TSqlStatement statement)
    {
        if (statement is MergeStatement merge)
            return Insert(merge.MergeSpecification);
        statement.Accept(this);
        var text = new StringBuilder(Text(statement));
        foreach (var (start, length, replacement) in _edits.OrderByDescending(edit => edit.Start).ThenByDescending(edit => edit.Length))
            text.Remove(start - statement.StartOffset, length).Insert(start - statement.StartOffset, replacement);
        return LockHints().Replace(text.ToString().TrimEnd().TrimEnd(';'), "") + _returning;
    }

    // EF Core uses MERGE to insert several rows with generated keys. Each row carries its position, and the result returns it with the key.
    private string Insert(MergeSpecification merge)
    {
        var table = Text(merge.Target);
        var rows = (InlineDerivedTable)merge.TableReference;
        var insert = (InsertMergeAction)merge.ActionClauses.Single().Action;
        var columns = string.Join(", ", insert.Columns.Select(Text));
        // The last value of each row is its position.
        var values = string.Join(", ", rows.RowValues.Select(row => $"({string.Join(", ", row.ColumnValues.SkipLast(1).Select(Text))})"));
        if (merge.OutputClause is null)
            return $"INSERT INTO {table} ({columns}) VALUES {values}";
        var key = Inserted().Replace(Text(merge.OutputClause.SelectColumns[0]), "");
        return $"INSERT INTO {table} ({columns}) VALUES {values} RETURNING {key}, {key} - {_nextKey(table)}";
    }

    // The JSON lists values or objects with typed members. SQLite stores ids and instants as text in the format of the parameters.
    private string Rows(OpenJsonTableReference node) => node.SchemaDeclarationItems is [] or [{ Mapping: StringLiteral { Value: "$" } }]
        ? $"(SELECT [value] FROM json_each({Text(node.Variable)})) AS {Text(node.Alias)}"
        : $"(SELECT {string.Join(", ", node.SchemaDeclarationItems.Select(item => Member(item.ColumnDefinition)))} FROM "
            + $"json_each({Text(node.Variable)})) AS {Text(node.Alias)}";

    private string Member(ColumnDefinitionBase column)
    {
        var value = $"[value] ->> '$.{column.ColumnIdentifier.Value}'";
        return Text(column.DataType).ToLowerInvariant() switch
        {
            "uniqueidentifier" => $"upper({value})",
            "datetimeoffset" => $"replace({value}, 'T', ' ')",
            _ => value
        } + $" AS {Text(column.ColumnIdentifier)}";
    }

    private void Cut(TSqlFragment fragment) => Replace(fragment, "");

    private void Replace(TSqlFragment fragment, string text) => _edits.Add((fragment.StartOffset, fragment.FragmentLength, text));

    private string Text(TSqlFragment fragment) => _text.Substring(fragment.StartOffset, fragment.FragmentLength);

    [GeneratedRegex(@"INSERTED\.", RegexOptions.IgnoreCase)]
    private static partial Regex Inserted();

    [GeneratedRegex(@" WITH \(UPDLOCK, (?:HOLDLOCK|ROWLOCK|READPAST, ROWLOCK)\)")]
    private static partial Regex LockHints();
}
