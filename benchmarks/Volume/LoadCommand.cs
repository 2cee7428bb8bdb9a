using System.CommandLine;
using ConcertSaga.Shared.Hosting.Databases;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>What one run of <c>load</c> loads.</summary>
internal sealed record LoadPlan(Catalogue Catalogue, DatabaseProvider Provider, string? Address, string? Csv, bool Psql, bool PsqlIndexed, bool Write);

internal static class LoadCommand
{
    public static Command Create()
    {
        var (schedules, seats) = Sizes();
        var provider = new Option<DatabaseProvider>("--provider") { Description = "The server.", DefaultValueFactory = _ => DatabaseProvider.PostgreSql };
        var connection = new Option<string?>("--connection") { Description = "A database without concerts; without it PostgreSQL and SQLite are of this run's own." };
        var csv = new Option<string?>("--csv") { Description = "Loads what this file of seats and those of concerts and schedules beside it hold; writes them first where they are missing." };
        var withoutPsql = new Option<bool>("--without-psql") { Description = "Leaves out psql's own COPY of the same rows." };
        var withoutIndexed = new Option<bool>("--without-indexed") { Description = "Leaves out psql's COPY into tables that have their indexes." };
        var write = new Option<bool>("--write") { Description = "Writes the result into docs/performance.md." };
        var command = new Command("load", "Loads a catalogue in bulk, with keys and indexes made afterwards, and beside it psql's own COPY.")
        {
            schedules, seats, provider, connection, csv, withoutPsql, withoutIndexed, write
        };
        command.SetAction((parsed, cancellation) => LoadBenchmark.RunAsync(new LoadPlan(
            new Catalogue(parsed.GetValue(schedules), parsed.GetValue(seats)), parsed.GetValue(provider), parsed.GetValue(connection), parsed.GetValue(csv),
            !parsed.GetValue(withoutPsql) && parsed.GetValue(provider) == DatabaseProvider.PostgreSql, !parsed.GetValue(withoutIndexed), parsed.GetValue(write)), cancellation));
        return command;
    }

    /// <summary>The options that say how large a catalogue is.</summary>
    public static (Option<int> Schedules, Option<int> Seats) Sizes()
    {
        var schedules = new Option<int>("--schedules") { Description = "Dates.", DefaultValueFactory = _ => 1_000_000 };
        var seats = new Option<int>("--seats") { Description = $"Seats, {Catalogue.SeatsOfDate} for each of the first dates.", DefaultValueFactory = _ => 10_000_000 };
        schedules.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value && value is < 100 or > 20_000_000)
                result.AddError($"--schedules is {value}; allowed: 100 to 20000000.");
        });
        seats.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value && (value is < Catalogue.SeatsOfDate or > 200_000_000 || value % Catalogue.SeatsOfDate != 0))
                result.AddError($"--seats is {value}; allowed: {Catalogue.SeatsOfDate} to 200000000, a multiple of {Catalogue.SeatsOfDate}.");
        });
        return (schedules, seats);
    }
}
