using Microsoft.Data.SqlClient;
using Microsoft.SqlServer.Dac.Model;
using Microsoft.SqlServer.TransactSql.ScriptDom;
using Xunit;

namespace ConcertSaga.SqlServer.Tests;

/// <summary>Checks T-SQL without a server, using Microsoft's parser and schema model.</summary>
internal static class Sql
{
    /// <summary>Parses with the grammar of SQL Server 2019, the oldest supported version.</summary>
    /// <exception cref="FormatException">The text does not parse.</exception>
    public static TSqlScript Parse(string text) => Parse(new TSql150Parser(initialQuotedIdentifiers: true), text);

    /// <summary>Parses with the grammar of SQL Server 2022.</summary>
    /// <exception cref="FormatException">The text does not parse.</exception>
    public static TSqlScript ParseNewer(string text) => Parse(new TSql160Parser(initialQuotedIdentifiers: true), text);

    /// <summary>Builds the schema of a script of <c>CREATE</c> statements.</summary>
    public static TSqlModel Model(string createScript)
    {
        var model = new TSqlModel(SqlServerVersion.Sql150, new TSqlModelOptions());
        foreach (var statement in Parse(createScript).Batches.SelectMany(batch => batch.Statements))
            model.AddObjects(createScript.Substring(statement.StartOffset, statement.FragmentLength));
        return model;
    }

    /// <summary>Fails on errors and on unresolved names.</summary>
    public static void HasNoErrors(TSqlModel model)
    {
        var errors = model.Validate()
            .Where(message => message.MessageType == Microsoft.SqlServer.Dac.DacMessageType.Error || message.Number is 71501 or 71502)
            .Select(message => message.ToString()).ToList();
        Assert.True(errors.Count == 0, string.Join('\n', errors));
    }

    /// <summary>Wraps a statement in a procedure, because the model resolves names only there.</summary>
    public static string Procedure(string name, string statement, IEnumerable<SqlParameter> parameters) =>
        // SqlClient adds the @ to a name without it.
        $"CREATE PROCEDURE [{name}] "
            + $"{string.Join(", ", parameters.Select(parameter => $"@{parameter.ParameterName.TrimStart('@')} {TypeOf(parameter)}"))} "
            + $"AS BEGIN {statement} END";

    private static string TypeOf(SqlParameter parameter) => parameter.SqlDbType switch
    {
        System.Data.SqlDbType.NVarChar => "nvarchar(max)",
        var type => type.ToString().ToLowerInvariant()
    };

    private static TSqlScript Parse(TSqlParser parser, string text)
    {
        using var reader = new StringReader(text);
        var script = (TSqlScript)parser.Parse(reader, out var errors);
        return errors.Count == 0 ? script
            : throw new FormatException(
                $"{string.Join("; ", errors.Select(error => $"{error.Line}:{error.Column} {error.Message}"))} in\n{text}");
    }
}
