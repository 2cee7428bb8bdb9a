using ConcertSaga.AllInOne;
using ConcertSaga.Shared.Hosting;

return await ServiceHost.GuardAsync(async () =>
{
    var command = ServiceHost.TakeCommand(ref args, "docs");
    if (command == "docs")
        await GeneratedDocs.WriteAsync(args);
    else
        await EmbeddedSystem.RunAsync(args);
});
