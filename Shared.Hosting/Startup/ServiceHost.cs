using System.Data.Common;
using System.Globalization;
using System.Net.Sockets;
using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Shared.Hosting;

/// <summary>Starts, migrates and ends every process of the product.</summary>
public static class ServiceHost
{
    // Every top-level key that a process of the product reads. Any other key on the command line stops the start.
    private static readonly string[] KnownSections =
    [
        "Authentication", "ConnectionStrings", "Cors", "Database", "DataDirectory", "DataPlatform", "environment", "Faults",
        "ForwardedHeaders", "Gateway", "Kestrel", "Limits", "Logging", "Messaging", "Metrics", "Operations", "Payments", "Points", "Queue",
        "RateLimits", "Reservation", "ReverseProxy", "Seats", "Shutdown", "Tickets", "urls"
    ];

    /// <summary>
    /// Runs one service as a separate process. With <c>migrate</c> as first argument, it applies the migrations and ends; otherwise it
    /// serves until it receives a signal to stop. A failed start prints one line to standard error.
    /// </summary>
    /// <param name="name">The service's name in telemetry.</param>
    /// <param name="args">The command line: <c>migrate</c>, and <c>--Key=value</c> for any configuration key.</param>
    /// <param name="add">Registers the service.</param>
    /// <param name="map">Maps its endpoints.</param>
    /// <param name="prepare">Runs before the process serves.</param>
    /// <param name="commands">Further commands of the program.</param>
    /// <returns>The exit code: 0, 1 after a failed start, or the exit code of a command.</returns>
    public static async Task<int> RunAsync(
        string name, string[] args, Action<WebApplicationBuilder> add, Action<WebApplication> map,
        Func<IServiceProvider, CancellationToken, Task>? prepare = null, params ServiceCommand[] commands)
    {
        var code = 0;
        var failed = await GuardAsync(args, async () =>
        {
            var ownCommand = commands.FirstOrDefault(candidate => args is [var first, ..] && first == candidate.Name);
            string[] arguments = ownCommand is null ? [] : ownCommand.TakeArguments(ref args);
            var command = TakeCommand(ref args, ["migrate", .. commands.Select(candidate => candidate.Name)]);
            var builder = CreateBuilder(args);
            builder.AddServiceDefaults(name);
            add(builder);
            await using var app = builder.Build();
            if (command == "migrate")
            {
                await app.Services.MigrateAsync(CancellationToken.None);
                return;
            }
            if (ownCommand is not null)
            {
                code = await ownCommand.RunAsync(app.Services, arguments, CancellationToken.None);
                return;
            }
            if (!await SchemaWait.RunAsync(app))
                return;
            app.UseServiceDefaults();
            map(app);
            if (prepare is not null)
                await prepare(app.Services, CancellationToken.None);
            await ServeAsync(app);
        });
        return failed != 0 ? failed : code;
    }

    /// <summary>
    /// Runs a public process that owns no data: without the inner wall and without migrations. A failed start prints one line to standard
    /// error.
    /// </summary>
    /// <param name="name">The service's name in telemetry.</param>
    /// <param name="args">The command line: <c>--Key=value</c> for any configuration key.</param>
    /// <param name="add">Registers the service.</param>
    /// <param name="map">Maps its endpoints.</param>
    /// <returns>The exit code: 0, or 1 after a failed start.</returns>
    public static Task<int> RunPublicAsync(string name, string[] args, Action<WebApplicationBuilder> add, Action<WebApplication> map) =>
        GuardAsync(args, async () =>
        {
            TakeCommand(ref args);
            var builder = CreateBuilder(args);
            builder.AddServiceDefaults(name);
            add(builder);
            await using var app = builder.Build();
            app.UsePublicDefaults();
            map(app);
            await ServeAsync(app);
        });

    // Reads the settings files beside the program, wherever it is started from.
    private static WebApplicationBuilder CreateBuilder(string[] args)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        if (string.IsNullOrEmpty(builder.Configuration["urls"]) && string.IsNullOrEmpty(builder.Configuration["http_ports"]))
            builder.Configuration["urls"] = "http://*:8080";
        return builder;
    }

    /// <summary>Runs a process and turns every failure into one line on standard error and exit code 1.</summary>
    /// <param name="args">
    /// The command line. With <c>Logging:LogLevel:Default</c> at <c>Debug</c> or <c>Trace</c>, the stack trace follows the line.
    /// </param>
    /// <param name="run">Runs the process.</param>
    public static async Task<int> GuardAsync(string[] args, Func<Task> run)
    {
        // Input and output must not depend on the culture of the machine.
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;
        CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;
        // An exception on a thread that does not catch it would end the process with a core dump instead of one line.
        AppDomain.CurrentDomain.UnhandledException += (_, failure) =>
        {
            Report(args, (Exception)failure.ExceptionObject);
            Environment.Exit(1);
        };
        try
        {
            await run();
            return 0;
        }
        catch (Exception exception)
        {
            Report(args, exception);
            return 1;
        }
    }

    // Not RunAsync, which disposes the services before CheckBackground can see how they ended.
    private static async Task ServeAsync(WebApplication app)
    {
        await StartAsync(app);
        await app.WaitForShutdownAsync();
        CheckBackground(app.Services);
    }

    /// <summary>Starts a host. If that fails, for example because a port is taken, it stops the background services in order.</summary>
    public static async Task StartAsync(WebApplication app)
    {
        try
        {
            await app.StartAsync();
        }
        catch
        {
            // If the host were only disposed, each service would log its cancellation as a failure.
            await app.StopAsync();
            throw;
        }
    }

    /// <summary>Throws if a background service failed. The host stops in that case, but would report success.</summary>
    public static void CheckBackground(IServiceProvider services)
    {
        foreach (var service in services.GetServices<IHostedService>().OfType<BackgroundService>())
        {
            if (service.ExecuteTask is { IsFaulted: true, Exception: { } failure })
                throw new StartupException($"{service.GetType().Name} failed, so the process ended: {OneLine(failure.GetBaseException())}");
        }
    }

    private static void Report(string[] args, Exception exception)
    {
        Console.Error.WriteLine($"concertsaga: {Printable.Of(Explain(exception))}");
        if (args.Any(argument => argument.StartsWith("--Logging:LogLevel:Default=", StringComparison.OrdinalIgnoreCase)
            && IsVerbose(argument[27..]))
            || IsVerbose(Environment.GetEnvironmentVariable("Logging__LogLevel__Default")))
            Console.Error.WriteLine(exception);

        static bool IsVerbose(string? level) =>
            level is not null && (level.Equals("Debug", StringComparison.OrdinalIgnoreCase)
                || level.Equals("Trace", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>
    /// Removes the command from the front of the arguments, if there is one. Refuses every other argument that is not <c>--Key=value</c> or
    /// <c>--Key value</c> of a known key.
    /// </summary>
    public static string? TakeCommand(ref string[] args, params string[] commands)
    {
        string? command = null;
        if (args.Length > 0 && !args[0].StartsWith('-'))
        {
            command = commands.Contains(args[0]) ? args[0]
                : throw new StartupException(
                    $"'{args[0]}' is not a command; allowed: {(commands is [] ? "none" : string.Join(", ", commands))}.");
            args = args[1..];
        }
        for (var i = 0; i < args.Length; i++)
        {
            var key = args[i].Split('=')[0];
            if (!key.StartsWith("--", StringComparison.Ordinal)
                || !KnownSections.Contains(key[2..].Split(':')[0], StringComparer.OrdinalIgnoreCase))
                throw new StartupException(
                    $"'{key}' is not an option; allowed: --Key=value with a configuration key, such as --urls=http://localhost:8080.");
            if (!args[i].Contains('=') && ++i == args.Length)
                throw new StartupException($"'{key}' needs a value.");
        }
        return command;
    }

    private static string Explain(Exception exception) => exception switch
    {
        StartupException => exception.Message.ReplaceLineEndings(" "),
        IOException { InnerException: AddressInUseException } =>
            $"{exception.Message.TrimEnd('.')}. Choose another address with --urls=http://localhost:PORT.",
        SocketException { SocketErrorCode: SocketError.AccessDenied or SocketError.AddressNotAvailable } =>
            $"An address of urls cannot be listened on: {exception.Message}. Choose another address with --urls=http://localhost:PORT.",
        InvalidDataException or FormatException when exception.InnerException is not null =>
            $"{OneLine(exception)} {OneLine(exception.InnerException)}",
        AggregateException { InnerExceptions: [var only] } => Explain(only),
        DbException database => $"The database cannot be used: {OneLine(exception)}"
            + (IsOutdated(database) ? " Update its schema with the command migrate." : ""),
        MassTransit.ConfigurationException => OneLine(exception),
        { InnerException: SocketException or DbException } => Explain(exception.InnerException),
        _ => $"The start failed: {OneLine(exception)} ({exception.GetType().Name})"
    };

    // A missing table, column or database, as each server reports it.
    private static bool IsOutdated(DbException exception) => exception switch
    {
        Npgsql.PostgresException postgres => postgres.SqlState is "42P01" or "42703" or "3D000",
        Microsoft.Data.SqlClient.SqlException server => server.Number is 207 or 208 or 4060,
        Microsoft.Data.Sqlite.SqliteException sqlite => sqlite.Message.Contains("no such ", StringComparison.Ordinal)
            || sqlite.Message.Contains("has no column", StringComparison.Ordinal),
        _ => false
    };

    private static string OneLine(Exception exception) => exception.Message.ReplaceLineEndings(" ");
}
