// What a C program commonly does with files, a clock, chance and standard input.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <dirent.h>
#include <sys/stat.h>
int main(int argc,char**argv){
  printf("args"); for(int i=0;i<argc;i++) printf(" %s",argv[i]); printf(" HOME=%s\n",getenv("HOME"));
  FILE*f=fopen("/inputs/a/big.txt","r"); if(!f){perror("open");return 2;}
  size_t n,t=0,l=0; static char buf[65536]; while((n=fread(buf,1,sizeof buf,f))){t+=n;for(size_t i=0;i<n;i++)l+=buf[i]=='\n';} fclose(f);
  printf("%zu bytes %zu lines\n",t,l);
  DIR*d=opendir("/inputs"); struct dirent*e; while((e=readdir(d))) printf("[%s %d]",e->d_name,e->d_type); puts(""); closedir(d);
  printf("%d", open("/inputs/../etc/passwd",O_RDONLY)); printf(" %s\n",strerror(errno));
  printf("%d", open("/inputs/out",O_RDONLY)); printf(" %s\n",strerror(errno));
  mkdir("/outputs/x",0777); f=fopen("/outputs/x/y.txt","w"); fprintf(f,"hello %d\n",42); fclose(f);
  f=fopen("/outputs/x/y.txt","a"); fprintf(f,"more\n"); fclose(f);
  rename("/outputs/x/y.txt","/outputs/z"); struct stat s; stat("/outputs/z",&s); printf("size %lld\n",(long long)s.st_size);
  time_t a=time(0); struct timespec ts={5,0}; nanosleep(&ts,0); printf("slept %d at %d\n",(int)(time(0)-a),(int)a);
  unsigned char r[8]; getentropy(r,8); for(int i=0;i<8;i++)printf("%02x",r[i]); puts("");
  int c=0; while(getchar()!=EOF)c++; printf("stdin %d\n",c);
  fprintf(stderr,"bye\n"); return 7; }
