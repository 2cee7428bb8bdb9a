using Microsoft.Data.SqlClient;
using Microsoft.SqlServer.Dac.Model;
using Microsoft.SqlServer.TransactSql.ScriptDom;
using Xunit;

namespace ConcertSaga.SqlServer.Tests;

/// <summary>What can be said of T-SQL without a server: Microsoft's own parser and schema model judge it.</summary>
internal static class Sql
{
    /// <summary>Parses as SQL Server 2019 does, the oldest one the product supports.</summary>
    /// <exception cref="FormatException">It does not parse.</exception>
    public static TSqlScript Parse(string text) => Parse(new TSql150Parser(initialQuotedIdentifiers: true), text);

    /// <summary>Parses as SQL Server 2022 does.</summary>
    /// <exception cref="FormatException">It does not parse.</exception>
    public static TSqlScript ParseNewer(string text) => Parse(new TSql160Parser(initialQuotedIdentifiers: true), text);

    /// <summary>The schema a script of <c>CREATE</c> statements makes.</summary>
    public static TSqlModel Model(string createScript)
    {
        var model = new TSqlModel(SqlServerVersion.Sql150, new TSqlModelOptions());
        foreach (var statement in Parse(createScript).Batches.SelectMany(batch => batch.Statements))
            model.AddObjects(createScript.Substring(statement.StartOffset, statement.FragmentLength));
        return model;
    }

    /// <summary>Fails on errors, and on every name that leads nowhere.</summary>
    public static void HasNoErrors(TSqlModel model) =>
        Assert.Empty(model.Validate()
            .Where(message => message.MessageType == Microsoft.SqlServer.Dac.DacMessageType.Error || message.Number is 71501 or 71502)
            .Select(message => message.ToString()));

    /// <summary>A statement as the body of a procedure, in which names are resolved.</summary>
    public static string Procedure(string name, string statement, IEnumerable<SqlParameter> parameters) =>
        $"CREATE PROCEDURE [{name}] {string.Join(", ", parameters.Select(parameter => $"{parameter.ParameterName} {TypeOf(parameter)}"))} AS BEGIN {statement} END";

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
            : throw new FormatException($"{string.Join("; ", errors.Select(error => $"{error.Line}:{error.Column} {error.Message}"))} in\n{text}");
    }
}
