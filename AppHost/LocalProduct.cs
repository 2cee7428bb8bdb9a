using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using Microsoft.Extensions.Configuration;

namespace ConcertSaga.AppHost;

/// <summary>
/// Runs the distributed product on this machine. The servers and their data end with this program. <c>--Gateway=http://localhost:8080</c>
/// is the public address, and <c>--Dashboard=false</c> leaves out the dashboard.
/// </summary>
internal static class LocalProduct
{
    /// <returns>The exit code: 1 if a server is missing.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        var options = new ConfigurationBuilder().AddCommandLine(args).Build();
        await using var broker = new RabbitMqServer();
        await using var database = new PostgreSqlServer { IsDurable = true };
        Console.WriteLine("Starting RabbitMQ and PostgreSQL.");
        try
        {
            await Task.WhenAll(broker.ConnectionStringAsync(), database.ConnectionStringAsync());
        }
        catch (MissingServerException missing)
        {
            await Console.Error.WriteLineAsync(missing.Message);
            return 1;
        }

        var databases = new Dictionary<string, string>();
        foreach (var owner in ProductSettings.Owners)
            databases[owner] = await database.CreateDatabaseAsync(ProductSettings.NameOf(owner)) + ";Maximum Pool Size=50";
        var addresses = ProductSettings.Owners.ToDictionary(process => process, _ => new Uri($"http://localhost:{LoopbackPort.Free()}"));
        addresses[ProductSettings.Gateway] = new Uri(options["Gateway"] ?? "http://localhost:8080");
        var receiverPort = LoopbackPort.Free();
        var settings = new ProductSettings
        {
            Broker = await broker.CreateVirtualHostAsync("apphost"),
            Databases = databases,
            Addresses = addresses,
            Destination = new Uri($"http://127.0.0.1:{receiverPort}/events")
        };

        var builder = DistributedApplication.CreateBuilder(
            new DistributedApplicationOptions { Args = args, DisableDashboard = !options.GetValue("Dashboard", true) });
        foreach (var server in new[] { "rabbitmq", "postgres" })
        {
            builder.AddResource(new ServerResource(server)).WithInitialState(
                new CustomResourceSnapshot { ResourceType = "Server", State = KnownResourceStates.Running, Properties = [] });
        }
        // It stands in for the data platform.
        Add("receiver", "DevReceiver", [$"--port={receiverPort}", $"--secret={settings.DestinationSecret}"]);
        foreach (var (process, address) in addresses)
        {
            var name = ProductSettings.NameOf(process).ToLowerInvariant();
            string[] arguments = [.. settings.ArgumentsOf(process)];
            var resource = Add(name, process, [.. arguments, $"--urls={address.GetLeftPart(UriPartial.Authority)}"])
                .WithHttpEndpoint(address.Port, address.Port, isProxied: false)
                // As on Kubernetes: ready when it can book, or check passes.
                .WithEnvironment("Messaging__ConnectTimeout", "00:00:30")
                .WithHttpHealthCheck("/health/ready").WithOtlpExporter();
            if (process != ProductSettings.Gateway)
                resource.WaitForCompletion(Add($"{name}-migration", process, ["migrate", .. arguments]));
        }
        await using var app = builder.Build();
        await app.RunAsync();
        return 0;

        // The programs are built with this one. A project resource would build each of them again at its start.
        IResourceBuilder<ExecutableResource> Add(string name, string folder, string[] arguments)
        {
            var program = Repository.ProgramOf(folder);
            return builder.AddExecutable(name, "dotnet", Path.GetDirectoryName(program)!, [program, .. arguments]);
        }
    }
}
