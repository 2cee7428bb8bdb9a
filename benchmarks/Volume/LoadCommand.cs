using System.CommandLine;
using ConcertSaga.Shared.Hosting.Databases;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>Parameters of one run of <c>load</c>.</summary>
internal sealed record LoadPlan(Catalogue Catalogue, DatabaseProvider Provider, string? Address, string? Csv, bool Psql, bool PsqlIndexed,
    bool Write);

internal static class LoadCommand
{
    public static Command Create()
    {
        var (schedules, seats) = Sizes();
        var provider = new Option<DatabaseProvider>("--provider")
        {
            Description = "Database server.",
            DefaultValueFactory = _ => DatabaseProvider.PostgreSql
        };
        var connection =
            new Option<string?>(
            "--connection")
            { Description = "A database without concerts. By default, the run uses its own PostgreSQL or SQLite." };
        var csv = new Option<string?>("--csv")
        {
            Description = "Loads this file of seats and the files of concerts and schedules beside it; writes missing files first."
        };
        var withoutPsql = new Option<bool>("--without-psql") { Description = "Skips psql's COPY of the same rows." };
        var withoutIndexed = new Option<bool>("--without-indexed") { Description = "Skips psql's COPY into tables with indexes." };
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command = new Command("load", "Loads a catalogue in bulk and creates keys and indexes afterwards, beside psql's COPY.")
        {
            schedules, seats, provider, connection, csv, withoutPsql, withoutIndexed, write
        };
        command.SetAction((parsed, cancellation) => LoadBenchmark.RunAsync(new LoadPlan(
            new Catalogue(parsed.GetValue(schedules), parsed.GetValue(seats)), parsed.GetValue(provider), parsed.GetValue(connection),
                parsed.GetValue(csv),
            !parsed.GetValue(withoutPsql) && parsed.GetValue(provider) == DatabaseProvider.PostgreSql, !parsed.GetValue(withoutIndexed),
            parsed.GetValue(write)), cancellation));
        return command;
    }

    /// <summary>The options for the size of a catalogue.</summary>
    public static (Option<int> Schedules, Option<int> Seats) Sizes()
    {
        var schedules = new Option<int>("--schedules") { Description = "Schedules.", DefaultValueFactory = _ => 1_000_000 };
        var seats = new Option<int>("--seats")
        {
            Description = $"Seats, {Catalogue.SeatsPerSchedule} for each of the first schedules.",
            DefaultValueFactory = _ => 10_000_000
        };
        schedules.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value && value is < 100 or > 20_000_000)
                result.AddError($"--schedules is {value}; allowed: 100 to 20000000.");
        });
        seats.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value
                && (value is < Catalogue.SeatsPerSchedule or > 200_000_000 || value % Catalogue.SeatsPerSchedule != 0))
                result.AddError(
                    $"--seats is {value}; allowed: {Catalogue.SeatsPerSchedule} to 200000000, a multiple of {Catalogue.SeatsPerSchedule}.");
        });
        return (schedules, seats);
    }
}
