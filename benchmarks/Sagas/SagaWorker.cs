using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>
/// One line to a worker. With <see cref="Settings"/>, it starts; otherwise it runs this many sagas, at once or at a rate, and on request
/// collects all garbage after them.
/// </summary>
public sealed record WorkerRequest(SagaSettings? Settings, int Sagas = 0, double? PerSecond = null, bool Collect = false);

/// <summary>The worker's reply, one line.</summary>
public sealed record WorkerReply(LoadResult? Result, string? Error);

[JsonSerializable(typeof(WorkerRequest))]
[JsonSerializable(typeof(WorkerReply))]
internal sealed partial class WorkerJson : JsonSerializerContext;

/// <summary>
/// A variant in its own process, which stays warm between rounds. It reads and writes lines of JSON, and stops when its input ends.
/// </summary>
internal sealed class SagaWorker : IDisposable
{
    private const string Name = "saga-worker";

    // 64 MB, the product's recommended setting. With the runtime's default, generation 0 is collected many times per second.
    private const string YoungGeneration = "0x4000000";

    private readonly Process _process;

    private SagaWorker(Process process) => _process = process;

    public int ProcessId => _process.Id;

    /// <summary>Starts the process and its variant.</summary>
    public static async Task<SagaWorker> StartAsync(SagaSettings settings)
    {
        var worker = new SagaWorker(Process.Start(new ProcessStartInfo("dotnet", [typeof(SagaWorker).Assembly.Location, Name])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            Environment = { ["DOTNET_GCgen0size"] = YoungGeneration }
        })!);
        try
        {
            await worker.AskAsync(new WorkerRequest(settings));
            return worker;
        }
        catch
        {
            worker.Dispose();
            throw;
        }
    }

    /// <summary>Runs sagas in the process.</summary>
    public async Task<LoadResult> RunAsync(int sagas, double? perSecond = null, bool collect = false) =>
        (await AskAsync(new WorkerRequest(null, sagas, perSecond, collect)))!;

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(20)))
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    /// <summary>Creates the command that runs in the process.</summary>
    public static Command CreateCommand()
    {
        var command = new Command(Name, "Runs one variant. The saga command starts it.") { Hidden = true };
        command.SetAction(async (_, cancellation) =>
        {
            // Other console output must not mix with the replies.
            using var replies = new StreamWriter(Console.OpenStandardOutput()) { AutoFlush = true };
            Console.SetOut(Console.Error);
            ISagaVariant? variant = null;
            while (await Console.In.ReadLineAsync(cancellation) is { } line)
            {
                WorkerReply reply;
                try
                {
                    var request = JsonSerializer.Deserialize(line, WorkerJson.Default.WorkerRequest)!;
                    if (request.Settings is { } settings)
                    {
                        variant = SagaVariantFactory.Create(settings);
                        await variant.StartAsync();
                        reply = new WorkerReply(null, null);
                    }
                    else
                    {
                        var result = request.PerSecond is { } rate
                            ? await SagaLoad.SteadyAsync(request.Sagas, rate, variant!.SendStartAsync)
                            : await SagaLoad.BurstAsync(request.Sagas, variant!.SendStartAsync);
                        reply = new WorkerReply(request.Collect ? result with { LiveBytes = GC.GetTotalMemory(forceFullCollection: true) }
                            : result, null);
                    }
                }
                catch (Exception exception) when (exception is not OutOfMemoryException)
                {
                    if (exception is not BenchmarkException)
                        await Console.Error.WriteLineAsync(exception.ToString());
                    reply = new WorkerReply(null, exception.Message);
                }
                await replies.WriteLineAsync(JsonSerializer.Serialize(reply, WorkerJson.Default.WorkerReply));
            }
            if (variant is not null)
                await variant.DisposeAsync();
            return 0;
        });
        return command;
    }

    private async Task<LoadResult?> AskAsync(WorkerRequest request)
    {
        await _process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(request, WorkerJson.Default.WorkerRequest));
        var line = await _process.StandardOutput.ReadLineAsync()
            ?? throw new BenchmarkException("a worker process ended; its last lines are above.");
        var reply = JsonSerializer.Deserialize(line, WorkerJson.Default.WorkerReply)!;
        return reply.Error is null ? reply.Result : throw new BenchmarkException(reply.Error);
    }
}
